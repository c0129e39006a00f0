"""Run by the Python of an environment with roc-validator and rocrate: CRATE PROFILE.

There is no network in tests, so the context of RO-Crate 1.1 is made of the one that the package
rocrate has, of version 1.3: the terms of Bioschemas have other addresses there.
"""

import io
import sys
import urllib.request
from email.message import Message
from importlib import resources
from urllib.response import addinfourl

import requests

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
OF_WORKFLOWS = "https://bioschemas.org/ComputationalWorkflow#"
LATER = resources.files("rocrate") / "data" / "ro-crate.jsonld"
DATA = LATER.read_bytes()
for term in ("input", "output"):
    DATA = DATA.replace(
        f"https://bioschemas.org/terms/{term}".encode(), f"{OF_WORKFLOWS}{term}".encode()
    )
DATA = DATA.replace(b"https://bioschemas.org/terms/", b"https://bioschemas.org/")


class LocalContext(urllib.request.HTTPSHandler):
    """Answers rdflib for the one address; no other has a host."""

    def https_open(self, request):
        if request.full_url != CONTEXT:
            raise OSError(f"{request.full_url} is not asked for by a valid crate")
        headers = Message()
        headers["Content-Type"] = "application/ld+json"
        response = addinfourl(io.BytesIO(DATA), headers, CONTEXT, 200)
        response.msg = "OK"
        return response


def send(self, request, **_):
    """Answers the validator's own client for the same address."""
    response = requests.Response()
    response.status_code = 200 if request.url == CONTEXT else 404
    response.headers["Content-Type"] = "application/ld+json"
    response.url, response.request, response.raw = request.url, request, io.BytesIO(DATA)
    return response


urllib.request.install_opener(urllib.request.build_opener(LocalContext))
requests.adapters.HTTPAdapter.send = send

from rocrate_validator import services  # noqa: E402

crate, profile = sys.argv[1:]
settings = {"rocrate_uri": crate, "profile_identifier": profile, "no_cache": True}
result = services.validate(settings)
for issue in result.get_issues():
    print(issue.check.identifier, issue.violatingEntity, issue.message)
sys.exit(int(bool(result.has_issues())))

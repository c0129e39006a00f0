"""Other programs on our seals: OpenSSL on the signature, in-toto's library on the statement."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from mobile_vla.cli.main import main
from run_folders import Maker
from seal_keys import write_keys

pytest.importorskip("securesystemslib")


def test_openssl_and_in_toto_read_a_seal(maker: Maker, tmp_path: Path) -> None:
    pytest.importorskip("in_toto_attestation")
    from google.protobuf.json_format import Parse
    from in_toto_attestation.v1.statement import Statement
    from in_toto_attestation.v1.statement_pb2 import Statement as Message

    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    run = maker.finish("left_10")
    secret, public = write_keys(tmp_path)
    assert main(["seal", str(run.folder.path), "--key", str(secret)]) == 0
    envelope = json.loads((run.folder.path / "seal.json").read_bytes())
    payload = base64.b64decode(envelope["payload"])
    kind = envelope["payloadType"].encode()
    signed = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
    (tmp_path / "signed").write_bytes(signed)
    (tmp_path / "sig").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    check = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(public), "-rawin",
             "-in", str(tmp_path / "signed"), "-sigfile", str(tmp_path / "sig")]  # fmt: skip
    assert subprocess.run(check, check=False, capture_output=True).returncode == 0
    (tmp_path / "signed").write_bytes(signed + b" ")
    assert subprocess.run(check, check=False, capture_output=True).returncode != 0
    Statement.copy_from_pb(Parse(payload, Message())).validate()


def test_model_signings_command_line_verifies_a_run(maker: Maker, tmp_path: Path) -> None:
    program = os.environ.get("MODEL_SIGNING")
    if program is None:
        pytest.skip("MODEL_SIGNING names no program")
    run = maker.finish("left_10")
    secret, public = write_keys(tmp_path, curve=True)
    _, other = write_keys(tmp_path, "other", curve=True)
    bundle = tmp_path / "model.sig"
    path = str(run.folder.path)
    (run.folder.path / ".evaluation.lock").touch()
    made = ["seal", path, "--key", str(secret), "--model-signature", str(bundle)]
    assert main(made) == 0

    def holds(key: Path) -> bool:
        command = [program, "verify", "key", path, "--signature", str(bundle), "--public_key",
                   str(key), "--allow_symlinks"]  # fmt: skip
        return subprocess.run(command, check=False, capture_output=True).returncode == 0

    assert holds(public) and not holds(other)
    run.folder.console.write_text("more")
    assert not holds(public)
    run.folder.console.unlink()
    assert holds(public)
    run.folder.rollouts.write_bytes(run.folder.rollouts.read_bytes() + b" ")
    assert not holds(public)

"""Words about one run in a sentence or a cell: what it began from, what trained, which way."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mobile_vla.old_claims.gates import Gate
from mobile_vla.old_claims.tokens import Found
from mobile_vla.old_claims.whole import ways_alone
from mobile_vla.old_claims.words import BOTH, WAY, ways_of

FILE = r"[\w./~-]+\.(?:pt|ckpt|safetensors|bin)(?![a-z\d])"
MODEL = (
    r"(?:microsoft(?:'s)? |ms )?kosmos[- ]?2[\w-]*|paligemma[\w-]*|llava[\w.-]*|openvla[\w-]*"
    r"|qwen[\w.-]*vl[\w.-]*|smolvlm[\w-]*"
)
ROBOT = r"(?:oxe[- ]pretrain\w*|(?:oxe[\w-]* )?robovlms?)(?:['’]s)?(?: checkpoint| weights)?"
NONE = (
    r"scratch|no (?:robot |pretrained |extra )+(?:weights|checkpoint|data)"
    r"|without (?:any )?(?:robot |pretrained |extra )+(?:weights|checkpoint)"
)
LEAD = r"(?:the |its |a |plain |original |[`*\"“])*"
BARE = rf"(?P<w>{ROBOT}|{MODEL}|{FILE}|{NONE})"
WEIGHTS = rf"{LEAD}{BARE}"
BARE_WEIGHTS = Gate(
    r"kosmos|robovlm|paligemma|llava|openvla|qwen|smolvlm|scratch|weights|oxe(?<![a-z]oxe)"
    r"|checkpoint|가중치"
    r"|\.pt|\.ckpt|\.safetensors|\.bin"
)
"""Stands in all weights, and is found sooner."""
INIT = tuple(
    re.compile(pattern, re.ASCII)
    for pattern in (
        rf"(?:initiali[sz]|start|beg[aiu]n|continu)\w* (?:\w+ )?(?:from|with) {WEIGHTS}",
        rf"build(?:s|ing)? (?:up)?on {WEIGHTS}",
        rf"weights (?:\w+ ){{0,3}}{LEAD}(?P<w>{FILE})",
        r"초기 ?가중치[는가 ]{1,2}(?P<w>없[이음다])",
        rf"(?:train|fine-?tun)(?:ed|ing) (?:\w+ )?(?:from|on top of) {WEIGHTS}",
        rf"(?:initial|starting|pretrained) (?:weights|checkpoint)s? (?:is|are|was|were) {WEIGHTS}",
        rf"(?:loads|loaded|ask(?:s|ed) for|look(?:s|ed) for) {LEAD}(?P<w>{FILE}|{ROBOT})",
        rf"from {LEAD}(?P<w>(?:{ROBOT}|{MODEL})(?: checkpoint| weights))",
        rf"초기 ?(?:가중치|체크포인트|화)[가-힣]*:? (?:[가-힣]+ ){{0,3}}?{WEIGHTS}",
        rf"{BARE}[`*]* ?(?:사전 ?학습\S* )?(?:가중치|체크포인트)?(?:으?로|에서|를"
        rf"|을)(?:부터)? ?(?:[가-힣]+ )?"
        r"(?:초기화|시작|출발|불러|로드|이어)",
    )
)
VLM = tuple(
    re.compile(pattern, re.ASCII)
    for pattern in (
        rf"(?:vlm|backbone|백본)(?:은|는|이|가| is| was| are| were)? {LEAD}(?P<w>{MODEL})",
        rf"(?:uses?|used|built on|based on) {LEAD}(?P<w>{MODEL})(?! (?:weights|checkpoint))",
        rf"(?P<w>{MODEL}) ?(?:기반|백본|위에서|[을를] (?:쓰|썼|사용)|잖아|as its (?:vlm|back))",
    )
)
TOWER = r"(?:tower|encoder|backbone|part|side|타워|인코더|쪽|부분|모델)"
PART = (
    rf"(?P<part>(?:vision|visual|image|projection)[\s-]{TOWER}|vision(?![\w-]|\s(?:run|language))"
    rf"|(?:비전|시각|프로젝[션터]) ?{TOWER}?|projection|projector)"
)
SEES = Gate(r"vision|visual|image|projec|비전|시각|프로젝")
OF_REGIME = re.compile(
    r"lora|full|전체|풀|all weights|all parameters|all layers|all the |all its |all of "
)
SAYS_PART = Gate(rf"{BARE_WEIGHTS.pattern}|{SEES.pattern}|{OF_REGIME.pattern}")
FROZEN = re.compile(
    r"(?<!un)(?:froze|freez\w*|locked)|fixed|untouched|고정|동결|얼[려렸린]|닫[혀힌]|\bclosed|\bshut\b"
)
HOW = (
    r"frozen|fixed|locked|untouched|trained|trains|unfrozen|fine-?tuned|opened|unlocked|고정|동결"
    r"|얼[려렸린]|열[려린]|닫[혀힌]"
    r"|(?<=is )open\b|(?<=was )open\b|(?<=stays )(?:open|closed|shut)\b"
)
FACTOR_KO = r"여부|효과|시간|손실|데이터|률|곡선|loss|(?:되는|된|한|할|하는)? ?파라|용"
TRAINED_KO = rf"학습(?! ?(?:{FACTOR_KO}))[가-힣]*"
PARTS = tuple(
    re.compile(pattern, re.ASCII)
    for pattern in (
        rf"{PART}(?: (?:of|in|for) [`*]*\ue000+[`*]*)?(?P<gap>[^\d.,;:|\ue000]{{0,28}}?)"
        rf"(?P<how>{HOW})",
        rf"{PART}(?:을|를|도|은|는|까지)(?P<gap> (?:[가-힣\ue000]+ ){{0,3}}?)(?P<how>{TRAINED_KO})",
        rf"{PART}: (?P<gap>)(?P<how>{HOW}|{TRAINED_KO})",
        rf"(?P<how>trains|unfreezes|unfroze|opens|opened|freezes|froze|frozen|freezing|trained"
        rf"|unfrozen|fine-?tunes)"
        rf"(?P<gap>) (?:\w+ )?(?:the |its |a )?{PART}",
        rf"(?P<how>고정|동결|얼[린려])(?P<gap>)(?:[가-힣]{{1,2}})? {PART}",
    )
)
YES = re.compile(r"✅|⭕|true|yes\b|on\b|예\b|네\b|함\b|o\b")
NO = re.compile(r"❌|false|no\b|off\b|아니|안 함|안함|않|x\b")
NOT = re.compile(r"\b(?:not|never|no longer)\b|n't|안 |않")
FULL = (
    r"full(?:y)?[ -](?:parameter )?fine-?tun\w+|full[ -]parameter training"
    r"|trains? all (?:of )?(?:the |its )?(?:weights|parameters|layers)|fully (?:trained|tuned)"
    r"|all (?:the |its )?(?:weights|parameters|layers) (?:are|were) trained"
    r"|(?:전체|풀) ?(?:파라미터 )?(?:미세 ?조정|파인 ?튜닝)|전체 파라미터를? 학습\w*"
)
NO_LORA = (
    r"(?:not|n't) us(?:e|ing) (?:any )?lora|without (?:any |using )?lora|no lora"
    r"|lora (?:is |was )?(?:off|disabled|not used)"
    r"|lora[가는를은을]? ?(?:없이|안 [쓴썼씀]|쓰지 않|사용하지 않|미사용)[가-힣]*"
)
LORA = (
    r"(?<=\bis )lora|(?<=\bwas )lora|(?<=\buses )lora|(?<=\buse )lora|(?<=\bused )lora"
    r"|(?<=\bwith )lora(?! (?:r|rank|alpha|dropout)\b)|(?<=\bvia )lora|(?<=is a )lora"
    r"|lora(?= ?(?:입니다|이다|야\b|임\b|였|이었|로 학습|방식|[를을] (?:썼|쓴|사용)))"
)
SAYS_REGIME = Gate(
    r"lora|full|trains? all |all (?:the |its )?(?:weights|parameters|layers)|전체|풀 ?파|풀 ?미"
)
REGIME = re.compile(rf"{FULL}|{NO_LORA}|{LORA}")
ALL_REGIME = re.compile(
    rf"\W*(?P<v>{FULL}|{NO_LORA}|lora(?: only| ?만)?|frozen(?: vlm)? ?\+ ?lora)\W*"
)
WAYS = tuple(
    re.compile(pattern, re.ASCII)
    for pattern in (
        rf"{WAY}(?:[\s-](?:episodes|data|side|runs|drives|demos|turns|에피소드|데이터|방향)|쪽)?"
        r"[\s-]*(?P<only>only|로?만(?![가-힣]{3})|전용|뿐)(?![가-힣]*[이가] 아)",
        rf"(?:train|learn|fed)\w* (?:\w+ )?(?:on|with|from) (?:the )?{WAY}"
        r"(?= (?:episodes|data|demos|eps|sides|turns))",
        rf"(?P<way>{BOTH}) (?=(?:데이터|에피소드)[를을로]?\S* (?:모두|둘 다|다|학습|사용|썼))",
        rf"(?:all(?: of them| turning)?|entirely|exclusively|모두|전부) {WAY}(?![- ]?hand"
        rf"|[가-힣]*의)",
        rf"only (?:the |on )?{WAY}(?:-hand)?(?= (?:episodes|data|side|eps|drives|demos))",
        r"(?P<way>양방향|좌우|양쪽)(?=(?: 방향)? ?(?:데이터|에피소드)[로를])",
        rf"(?:방향|directions?)(?:은|는|이|:| is| are| =) ?[*`]*{WAY}(?![가-힣]*[이가] 아)",
        r"(?P<way>both directions|both sides|좌우[를을]? ?(?:둘 다|모두|양쪽|다 )"
        r"|양쪽 (?:방향 )?(?:모두|다)"
        r"|양방향 모두)",
    )
)
DENIED_BEFORE = re.compile(
    r"(?:\b(?:not|never|no|unlike|than|versus|vs\.?|instead of|rather than|compared (?:to|with))"
    r"|n't|안) (?:\w+ ){0,2}[`*\"“]*$"
    r"|\b(?:could|can|may|might|should|would) (?:be |have (?:been )?)?$|\bto the (?:\w+ )?$|[+] $"
)
DENIED_AFTER = re.compile(
    r" (?:was |is )?never|(?:은|는) |[^.;,]{0,10}(?:쓴|한|된|인) ?\ue000|"
    r"[`*\"”]* ?(?:[가-힣]{0,4} ?(?:아니|아님|않|말고|대신|보다)|이?라고 부|이?라는 (?:말|건|것|소)"
    r"|[^.;]{0,16}(?:아니|지 않|지는 않|not true|is wrong))"
)
LAST_WAY = re.compile(
    rf"[,;(] ?{WAY}(?:[ -]only| ?만)?\)?$|^{WAY.replace('<way>', '<first>')}(?:[ -]only| ?만)?[,;]"
)
SAYS_WAY = Gate(
    r"only|all |entirely|exclusively|모두|전부|만|전용|뿐|방향|direction|both|좌우|양쪽|양방향"
    r"|train|learn|fed|학습|사용|썼|둘 다| 다"
)
TESTED = Gate(
    r"vs\b|differ|차이|다름|다르|worse|better|weak|나쁘|좋|약하|evaluat|평가|\btest|테스트|수집"
    r"|collect|record|compar|비교"
    r"|성공|success|acc"
)


def denied(text: str, start: int, end: int) -> bool:
    """Whether what stands there is denied, or named only to be told from what is so."""
    before, after = text[max(0, start - 32) : start], text[end : end + 28]
    return bool(DENIED_BEFORE.search(before) or DENIED_AFTER.match(after))


def read_prose(text: str) -> Iterator[Found]:
    """What a text in small letters, names of runs masked, says of a run beside its state."""
    if not SAYS_PART.search(text):
        return
    if BARE_WEIGHTS.search(text):
        yield from _named(text, INIT, "init")
        yield from _named(text, VLM, "vlm")
    if SAYS_REGIME.search(text):
        match = ALL_REGIME.fullmatch(text)
        for found in [match] if match else REGIME.finditer(text):
            span = found.span("v") if match else found.span()
            if text.find("\ue000", span[1]) >= 0 and "\ue000" not in text[: span[0]]:
                continue  # a run that is named after it may be told from it
            if not denied(text, *span):
                yield Found(*span, "regime")
    if SEES.search(text):
        yield from _parts(text)


def _named(text: str, patterns: tuple[re.Pattern[str], ...], quantity: str) -> Iterator[Found]:
    told: set[int] = set()
    for pattern in patterns:
        for match in pattern.finditer(text):
            whole = match.start() if match.start("w") > match.start() else match.start("w")
            sure = not denied(text, whole, match.end())
            if match.start("w") not in told and sure:
                told.add(match.start("w"))
                yield Found(*match.span("w"), quantity)


def _parts(text: str) -> Iterator[Found]:
    told: set[int] = set()
    for pattern in PARTS:
        for match in pattern.finditer(text):
            another = text[: match.start("part")].endswith("whose ")
            if match.start("how") in told or another:
                continue
            told.add(match.start("how"))
            name = "projection" if match["part"].startswith(("proj", "프로젝")) else "vision"
            after = text[match.end("how") : match.end("how") + 8]
            if NOT.search(match["gap"]) or re.match(r"(?:하|되)?(?:지[는도]?)? ?않", after):
                frozen = FROZEN.search(match["how"])
                name += " trained" if frozen else " frozen"
            if text[: match.start()].endswith("+ "):
                continue
            yield Found(*match.span("how"), "part", qualifier=name)


def part_beside(text: str, key: str) -> Iterator[Found]:
    """Whether a part trains, beside a key: "vision", "vision frozen", "backbone frozen"."""
    part, _, sense = key.partition(" ")
    plain = text.strip(" *`_.")
    said = FROZEN.search(plain) or re.search(rf"{HOW}|{TRAINED_KO}|trainable", plain)
    no, yes = NO.match(plain) or NOT.search(plain), YES.match(plain)
    frozen = bool(FROZEN.search(plain)) if said else sense == "frozen"
    if plain and (said or (sense and (yes or no))):
        frozen ^= bool(no) and (not said or bool(NOT.search(plain)))
        start = text.index(plain)
        yield Found(start, start + len(plain), "part",
                    qualifier=f"{part} {'frozen' if frozen else 'trained'}")  # fmt: skip


def read_ways(text: str, *, keyed: bool) -> Iterator[Found]:
    """The directions that a run was trained on, where no number of episodes stands beside them."""
    if keyed and ways_alone(text):
        return  # read as a whole
    if keyed and (match := LAST_WAY.search(text)):
        group = "way" if match["way"] else "first"
        ways = ways_of(match[group])
        yield Found(*match.span(group), "ways", ways=ways, only=len(ways) == 1)
    elif SAYS_WAY.search(text) and not TESTED.search(text):
        told: set[int] = set()
        for pattern in WAYS:
            for match in pattern.finditer(text):
                if match.start("way") in told:
                    continue
                told.add(match.start("way"))
                ways = ways_of(match["way"]) or ("left", "right")
                if not denied(text, *match.span()):
                    yield Found(*match.span("way"), "ways", ways=ways, only=len(ways) == 1)

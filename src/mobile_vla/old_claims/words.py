"""The words of claims, English and Korean: quantities, qualifiers, states, directions, marks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

import msgspec

from mobile_vla.old_claims.gates import Gate

INTERESTING = re.compile(
    r"[0-9✅❌⏳✔☑✖✗✘💀☠⌛🔄🏃⭕]|끝|마쳤|마침|죽|멈|중단|정상|있음|비교|best|better|좋|낫|우수"
    r"|학습"
    r"|crash|진행|실패|완료|가능|없음|오류|left|right|왼쪽|오른쪽|양쪽|양방향|좌우|frozen|froze"
    r"|fixed"
    r"|kosmos|paligemma|llava|openvla|qwen|smolvlm|robovlm|lora|null|none|fine-?tun|미세|파인"
    r"|메모리|경로|발산|디스크|고정|동결"
    r"|얼[려렸린]|enable|disk|nan\b|diverg|dead|died|터[졌짐]|뻗|튕|크래시|성공|돌[고아리]|도는 중"
    r"|broke"
    r"|blew"
    r"|errored|compar|train|abort|outperform|beat|fail|done|progress|finish|possible|running|kill"
    r"|oom|memory|ongoing|queued|way|path|file|파일|가중치|weights|not ?found|complet|succe|stop|끊"
    r"|계속|[ox]$|yes|no\b|true|false"
    r"|both"
)
"""What a text in small letters must hold to be worth reading."""
GUESS = Gate(
    r"예상|기대|가설|추후|제안|만약|할 것|될 것|tbd|expect|hypothe|if(?<![a-z]if)\b|would\b"
    r"|could (?:be|have)\b"
    r"|should\b|might\b|plan(?:s|ning)? (?:to|for)\b|goal|목표|시나리오|scenario|propos|필요"
    r"|want(?:s|ed)? (?:to|the|a)\b|want(?:s|ed)? [\w`]+ to\b|in a (?:pilot|test)|as a test"
    r"|시험 삼아|테스트로|to (?:try|repeat|rerun|retry|be repeated)\b"
    r"|will\b|i'll|we'll|let's|hop(?:e|es|ed|ing)\b|wish|bets? (?:a|on|that|it)\b"
    r"|aim(?:s|ing|ed)? (?:to|for|at)\b|intend|pencilled"
    r"|we need|let [a-z\ue000]+ (?:finish|run)|next (?:week|month|time|run|step|quarter|year)"
    r"|consider(?:ed|ing)\b|the plan\b|originally|guess|had we\b|pilot\b|다음에|다음엔|다음번|생각"
    r"|려 했|려고 (?:했|합|함)|하려던|려다|려면|예정[이임]|하고 싶|바라[는며]|바랍|희망"
    r"|다음 (?:주|달|분기|실험|학기)|볼까|하자[. !]|해야"
    r"|야 한다|야 함|야 합니다|야 할|할 듯|할까|잡아 보|계획[(은이임했]|신청"
)
"""In small letters: what is expected, wished, proposed or asked is no claim."""
GUESS_HEADING = re.compile(
    r"예상(?! 질문)|가설|시나리오|제안|목표|해결|expect(?!ed questions)|hypothe|scenario|propos"
    r"|what if|future|outlook|wish"
    r"|^\W*(?:next(?: \w+)?|to[ -]?do|plans?|(?:다음|향후) \w+|할 일)\W*$"
)
FOREIGN = Gate(
    r"paper|thesis|published|et al\b|literature|\[\d+\](?!\()|recommend|'s (?:group|lab|team)"
    r"|other (?:lab|group|team)|another (?:lab|group|team)|next[ -]door|neighbou?r|다른 기관"
    r"|공개 데이터|public data|preprint|arxiv|group (?:at|in|of)\b|무관|unrelated"
    r"|of no interest|resnet|constant"
    r"|rt-[12]|octo\b|nomad\b"
    r"|논문|학위|부록|선행 ?연구|문헌|옆 ?(?:연구실|랩|팀|그룹)|다른 ?(?:연구실|랩|팀|그룹)"
)
"""In small letters: other people's work."""
DISPUTED = re.compile(
    r"not true|untrue|which is wrong|which was wrong|that's wrong|that is wrong|that was wrong"
    r"|it was wrong|is mistaken|was mistaken|is false|was false|story is wrong|claim is wrong"
    r"|thought|believed|wrote that|claimed that|rumou?r|사실이 아니|사실과 다르|줄 알았|착각"
    r"|틀[렸린](?<=[데만은건는] 틀.)|잘못(?<=[은건] 잘못)|아니(?<=[게건] 아니)"
    r"|아니(?<=것[이은] 아니)"
)
"""In small letters: what is told to be denied."""

OF_PART = re.compile(
    r"^(?:(?P<do>freeze|frozen|train|unfreeze|tune|trainable)[ _-])?"
    r"(?P<part>vision|visual|image|backbone|비전|시각|백본)"
    r"(?:[ _-]?(?:tower|encoder|model|backbone|인코더|타워|모델))?"
    r"(?:[ _-]?(?P<did>frozen|trained|training|학습|고정|동결|상태|state)(?: ?여부)?)?\??$",
    re.IGNORECASE,
)
"""Keys of what trains. The bare backbone is no such key: it names the VLM."""
EYES = ("vision", "비전", "Vision")
QUANTITIES: tuple[tuple[str, str], ...] = (
    (
        "best_epoch",
        r"^(best|lowest|최저|최고|최적)[ _]?(epoch|에폭|에포크)$"
        r"|^(epoch|에폭|에포크) (of|at|with) (the )?(best|lowest|minimum)"
        r"|^(최저|최고|최적)\S*( 손실)?[의 ]*(epoch|에폭|에포크)$",
    ),
    (
        "regime",
        r"vlm (상태|status|state)|^training$|regime|(학습|훈련|튜닝) ?방[식법]|^vlm 학습"
        r"|fine-?tuning$|^(training |tuning )?(kind|type|method|mode)$|^(종류|유형|방식)$",
    ),
    (
        "params",
        r"trainable|parameters trained|(total|all) trained"
        r"|학습(한|된|되는|할)? ?파라미터|trained parameters",
    ),
    ("train_loss", r"(train(ing)?|학습|훈련)[ _]?(loss|손실)"),
    ("rmse", r"\brmse\b"),
    ("val_loss", r"\bloss(es)?\b|손실|val_loss|^(best|final|last|lowest) val(idation)?$"),
    ("lora_r", r"lora[ _](r|rank)\b|^r$|\brank$|랭크$"),
    ("lora_alpha", r"alpha|알파|^α$"),
    ("lora_dropout", r"dropout|드롭아웃"),
    ("learning_rate", r"learning[ _]?rate|^lr$|학습률|러닝레이트"),
    ("weight_decay", r"weight[ _]?decay|가중치 감쇠"),
    ("accumulate", r"accumul|누적"),
    ("batch", r"batch|배치|^bs$"),
    ("window", r"window|윈도우?"),
    ("chunk", r"chunk|청크|fwd_pred_next_n"),
    ("action_dim", r"action[ _]?dim"),
    ("hidden", r"hidden"),
    ("seed", r"\bseed\b|시드"),
    ("frames", r"\bframes\b(?! (a|per) |/)|프레임( ?수)?$"),
    ("steps", r"optimi[sz]er steps|최적화 스텝|옵티마이저 스텝"),
    (
        "any_steps",
        r"^((total|last|final|current|(failed|stopped|died) at|planned|target|train(ing)?|max"
        r"|maximum|number of|num|n|#|done|completed) ?)*\bsteps?"
        r"( (done|completed|so far|reached|run|taken|planned|target|trained|made|in total))*$"
        r"|(스텝|step)( ?수)?$",
    ),
    (
        "epochs",
        r"\bepochs\b|max[ _]epochs?|에폭( 수)?$|에포크( 수)?$|epoch ?수$"
        r"|^(total|number of|num|전체|총)[ _]?(epoch|에폭|에포크)$",
    ),
    ("epoch", r"에폭|에포크"),
    ("epoch", r"\bepoch\b"),
    ("size", r"\bsize\b|크기|용량"),
    ("duration", r"duration|소요|걸린 시간|wall time|training time|학습 시간"),
    (
        "init",
        r"vlm init|초기화|model_load_path|(initial|starting) weights|(초기|시작) 가중치|vlm 초기"
        r"|^init|vlm pretrain$",
    ),
    ("vlm", r"\bvlm\b|(?<!freeze.)backbone|백본"),
    ("lora", r"^lora$"),
    ("checkpoint", r"checkpoint|체크포인트|ckpt"),
    (
        "started",
        r"시작 ?(시각|시간)|실행 ?시각|^시각$|^start(ed)? (time|at)$"
        r"|^(launched|began) at$|^time of start$",
    ),
    ("date", r"\bdate\b|날짜|일자|started|시작"),
    ("reason", r"reason|\bcause|^why\b|^error( message)?$|^오류$|^에러$|이유|원인|문제$"),
    (
        "status",
        r"\bstatus\b|\bstate\b|\boutcome\b|상태|^result$|^결과$|진행 ?상황|^진행( ?상태| ?여부)?$",
    ),
    ("ways", r"^(driving |data )?directions?$|^dirs?\.?$|방향$|^sides?$"),
    (
        "episodes",
        r"episodes?\b|\beps?\b|\bdemos?\b|에피소드|^data\b|^dataset\b|^데이터\b"
        r"|데이터셋|data amount|(전체|총) ?데이터( ?수)?$|^total data",
    ),
)
_KEYS = tuple((name, re.compile(pattern, re.IGNORECASE)) for name, pattern in QUANTITIES)
LOSSES = frozenset({"val_loss", "train_loss", "rmse"})
NUMERIC = LOSSES | frozenset(
    {"lora_r", "lora_alpha", "lora_dropout", "learning_rate", "weight_decay", "accumulate",
     "batch", "window", "chunk", "action_dim", "hidden", "seed", "steps", "any_steps", "epochs",
     "best_epoch", "frames", "episodes", "params", "size"}
)  # fmt: skip

BEST = re.compile(r"\bbest\b|\blowest\b|\bminimum\b|최저|최고|최소", re.IGNORECASE)
FINAL = re.compile(r"\bfinal\b|\blast\b|\blatest\b|\bend\b|최종|마지막|끝", re.IGNORECASE)
INITIAL = re.compile(
    r"\b(?:initial|first)\b(?! weights)|^초기(?! ?가중치)|초기값|\(초기\)|첫 (?:epoch|에폭|에포크)",
    re.IGNORECASE,
)
PLANNED = re.compile(r"planned|target|\bmax|total|전체|총|목표|계획|예정|설정", re.IGNORECASE)
"""Steps that a run was to make; of one that has ended, those that it made."""
CHANGE = re.compile(
    r"warm|워밍|개선|변화|감소|improve|change|비고|note|difference|차이|비율|기간|period|pattern"
    r"|evaluation|평가|replay|재생"
    r"|baseline|기준선|베이스라인|effective|global|유효|실효",
    re.IGNORECASE,
)
TRAIN = re.compile(r"\btrain(ing|ed on)?\b|학습|훈련", re.IGNORECASE)
VAL = re.compile(r"\bval(id(ation|ated)?)?\b|검증", re.IGNORECASE)
EPOCH = re.compile(
    r"\bepoch[ _=]?(\d+)\b(?!\s*epochs)|(\d+)\s*(?:번째|차)?\s*(?:에폭|에포크)(?:에서|의| 후)",
    re.IGNORECASE,
)
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.+-]{2,}")
RUN_NAME = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*_20\d{6}(?:_[a-z0-9]+)*", re.IGNORECASE)
CHECKPOINT = re.compile(r"[\w=.\-]+\.(?:ckpt|pt|safetensors)\b")

LEFT = r"left|왼쪽|좌측"
RIGHT = r"right|오른쪽|우측"
BOTH = (
    r"left\s*(?:\+|and|&|/|,)\s*right|right\s*(?:\+|and|&|/)\s*left|l/r"
    r"|왼쪽\s*(?:\+|과|및|/|·|,)\s*오른쪽|오른쪽\s*(?:\+|과|및|/)\s*왼쪽"
)
BOTH_WAYS = r"both(?: (?:directions|sides|ways))|양쪽|양방향|좌우|좌\s*[+/·]\s*우"
"""Both without a number: "양쪽 80" would be 80 of each."""
WAY = rf"(?P<way>{BOTH}|{LEFT}|{RIGHT}|straight|직진)"


OF_TEST = re.compile(r"\btest\b|테스트|\beval", re.IGNORECASE)
ENTIRE = re.compile(r"전체|총|합계|\btotal|\bin all\b|\ball\b", re.IGNORECASE)
"""All episodes, of training and validation."""


SIDE = re.compile(
    r"(?:train(?:ing)?|val(?:idation)?|학습|훈련|검증)[ _]?"
    r"(?:(?P<left>l|left|왼쪽?|좌측?)|r|right|오른쪽?|우측?)",
    re.IGNORECASE,
)
"""A head that counts one direction of a split: "train L", "검증 우"."""


class Key(msgspec.Struct, frozen=True):
    """What a column's head, a row's first cell or a line's key says of the values beside it.

    `also`: split and qualifier of each of two values, under "train/val" or "best/final".
    `ways`: directions, of "left episodes". `implied`: nothing but "train/val" says what it is.
    """

    quantity: str
    qualifier: str
    split: str
    also: tuple[tuple[str, str], ...] = ()
    ways: tuple[str, ...] = ()
    implied: bool = False


@lru_cache(maxsize=4096)
def read_key(text: str) -> Key | None:
    """The quantity that a heading cell or a key names; None where it names none."""
    plain = clean(text)
    if not plain or len(plain) > 60 or CHANGE.search(plain):
        return None
    if (part := OF_PART.match(plain)) and (part["do"] or part["did"] or part["part"] in EYES):
        return Key("part", part_of(part), "")
    quantity = next((name for name, pattern in _KEYS if pattern.search(plain)), None)
    both = _both(text)
    if side := SIDE.fullmatch(plain):
        way = "left" if side["left"] else "right"
        return Key("episodes", "", split_of(plain), ways=(way,))
    implied = bool(quantity is None and both and both[0][0])
    quantity = "episodes" if implied else quantity
    if quantity is None:
        return None
    qualifier = qualifier_of(plain) or ("" if both else qualifier_of(text))
    if quantity in ("any_steps", "best_epoch"):
        qualifier = "planned" if quantity == "any_steps" and PLANNED.search(plain) else ""
    ways = ways_of(plain) if quantity == "episodes" else ()
    split = split_of(plain) or ("" if both else split_of(text))
    if quantity in LOSSES and OF_TEST.search(text):
        return None
    quantity = "train_loss" if quantity == "val_loss" and split == "train" else quantity
    if quantity == "episodes" and not qualifier and ENTIRE.search(plain):
        qualifier = "total"
    return Key(quantity, qualifier, split, both, ways, implied)


def part_of(key: re.Match[str]) -> str:
    """ "vision", "vision frozen", "backbone trained": what a key's yes would say."""
    told = f"{key['do'] or ''} {key['did'] or ''}".lower()
    part = "backbone" if key["part"].lower() in ("backbone", "백본") else "vision"
    if re.search(r"(?<!un)free|froz|고정|동결", told):
        return f"{part} frozen"
    return f"{part} trained" if re.search(r"train|tune|unfree|학습", told) else part


def _both(text: str) -> tuple[tuple[str, str], ...]:
    """What the two values of "train/val" or "(best/final)" are."""
    for part in re.finditer(r"([^\s/()]+)\s*/\s*([^\s/()]+)", text):
        told = tuple((split_of(part[n]), qualifier_of(part[n])) for n in (1, 2))
        if all(split or qualifier for split, qualifier in told):
            return told
    return ()


def qualifier_of(text: str) -> str:
    """ "best", "final", "initial", "epoch 9", or nothing."""
    for name, pattern in (("best", BEST), ("final", FINAL), ("initial", INITIAL)):
        if pattern.search(text):
            return name
    match = EPOCH.search(text)
    return f"epoch {match[1] or match[2]}" if match else ""


def loss_of(text: str) -> str | None:
    """The loss that a caption or a heading names, None where it names none or both."""
    found = next((name for name, pattern in _KEYS if name in LOSSES and pattern.search(text)), None)
    return None if found == "train_loss" and VAL.search(text) else found


def split_of(text: str) -> str:
    """ "train" or "val", nothing where neither or both are named."""
    train, val = bool(TRAIN.search(text)), bool(VAL.search(text))
    return "" if train == val else "train" if train else "val"


@lru_cache(maxsize=4096)
def clean(text: str) -> str:
    """Text without emphasis, code marks and signs around it."""
    return re.sub(r"[*`#$\\🔍⭐🚨]+|\(.*?\)", "", text).strip(" \t:：|✅❌⏳️")


def ways_of(word: str) -> tuple[str, ...]:
    """Directions that a word names, in one order."""
    table: Mapping[str, str] = {"left": LEFT, "right": RIGHT, "straight": "straight|직진"}
    if re.fullmatch(rf"{BOTH}|{BOTH_WAYS}", word, re.IGNORECASE):
        return ("left", "right")
    return tuple(way for way, said in table.items() if re.search(said, word, re.IGNORECASE))

"""What became of a run, in words and marks: its state, and why it failed. English and Korean."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from mobile_vla.old_claims.gates import Gate
from mobile_vla.old_claims.tokens import small

MARKS = {"✅": "finished", "✔": "finished", "☑": "finished", "❌": "failed", "✖": "failed",
         "✗": "failed", "✘": "failed", "💀": "failed", "☠": "failed", "⏳": "running",
         "⌛": "running", "🔄": "running", "🏃": "running"}  # fmt: skip
ANY_MARK = re.compile(f"[{''.join(MARKS)}]")
DURING = r"(?! (?:val|train|loss|검증|손실|최저|가장|메모리|에포크|epoch|로그))"
STATES: tuple[tuple[str, str], ...] = (
    (
        "failed",
        r"실패|죽음|죽었|죽어|죽은|멈췄|멈춤|멈추었|중단|터졌|터짐|뻗었|뻗음|뻗어|튕겼|튕김|끊겼"
        r"|끊김|끊어졌|크래시"
        r"|비정상 종료|오류로 (?:종료|끝)|에러로 (?:종료|끝)|\bfail(?:ed|ure)?\b"
        r"|\bcrash(?:ed|es)?\b"
        r"|\bdied\b|\bdead\b|\baborted\b|\bblew up\b|\bbroke (?:down|off)\b|\berrored\b"
        r"|\bfell over\b|\bbombed\b|\bterminated (?:\w+ )?with an error"
        r"|\bexited with an? (?:error|exc)|\bstopped (?:with|on)\b|\binterrupted\b"
        r"|\bran out of (?:\w+ )?memory"
        r"|\bended (?:in|with) an? (?:error|exception|crash|traceback)",
    ),
    ("killed", r"강제 종료|\bkilled\b"),
    (
        "running",
        r"진행 ?중|진행되고 있|계속되고 있|계속 돌|실행 ?중|학습하고 있"
        rf"|학습 ?중{DURING}|훈련 ?중{DURING}"
        r"|학습되고 있|돌고 있"
        r"|돌아가(?:는 중|고 있)|돌리(?:는 중|고 있)|도는 중|방금 시작|\bin progress\b|\brunning\b"
        r"|\bongoing\b"
        r"|\bunder ?way\b|\btraining\b(?<=(?:still|.been|..now|...is|..are|ently) training)"
        r"(?! (?:the|its|only)\b)|\btraining\W*$(?<=^training)|\bbeing trained\b|\bstill going\b",
    ),
    (
        "planned",
        r"\bplanned\b(?<!was planned)(?<!were planned)|\bto do\b|\bqueued\b|시작 전"
        r"|\bnot (?:yet )?begun\b|\bnot started\b",
    ),
    (
        "finished",
        r"완료|성공|끝났(?<!로 끝났)|끝남|끝$(?<=^끝)|끝냈|끝난(?!다)|끝마쳤|마쳤"
        r"|마침(?<=[을를] 마침)"
        r"|마침$(?<=^마침)|정상\S* 종료|마무리(?:됐|되었|됨|했|함)|다 돌았|다 돌렸"
        r"|완주"
        r"|\bdone\b(?! [\d¤])|\bfinished\b|\bcompleted?\b(?! [\d¤])|\bsucceeded\b"
        r"|success\W*$(?<=^success)"
        r"|\bran (?:\w+ )?(?:through|to (?:the end|completion))\b"
        r"|\bmade it (?:to the end|through)\b"
        r"|\bwrapped up\b",
    ),
)
_STATES = tuple((name, re.compile(pattern, re.ASCII)) for name, pattern in STATES)
_ANY_STATE = Gate("|".join(pattern.replace(r"\b", "") for _, pattern in STATES))
"""Stands wherever one of them does, and is found sooner."""
ENDS = r"(?:done|finish|complet|fail|crash|died|dead|running|in progress|under ?way|success)\w*"
THING = (
    r"(?:validation|epochs?|attempts?|try|half\b|analys[ie]s|comparison|evaluation|report|review"
    r"|download|upload|setup|loading|render\w*"
    r"|conversion|copy|backup|collection|recording|annotation|paper|draft|poster|thesis|meeting"
    r"|demo|rollouts?|trials?|episodes? of|tests?|plots?|figures?|code|writing|install\w*"
    r"|preprocessing|robot|server|machine|renderer|camera|battery|simulator|sync|transfer)"
)
SELF = (
    r"학습|훈련|실험|런|실행|작업|프로세스|케이스|잡|이것|이게|트레이닝"
    r"|없|같|많|굳|지금|현재|오늘|어제|아직|이번|에|에서|까지|부터"
)
LATELY = r"(?:(?:모두|이미|다|방금|또|다시|갑자기|곧바로|바로|결국|드디어) ?)?"
HAPPENS = r"(?:완료|끝|실패|성공|중단|마쳤|멈|죽|터|뻗|진행 ?중)"
NEGATED = re.compile(
    r"\bfail(?:ed|s)? to (?!start|load|train|run|launch|begin|finish|complete)\w+"
    r"|(?:\b(?:not(?! started| begun| yet begun)|never|without|no longer)\b|n't|\bno(?= [a-z]))"
    r"(?: (?:yet|been|be|even|really|any|have|has|being|fully|quite)){0,3} \w+"
    r"|\b(?:can|could|to(?! do\b| the end| completion)|must|will|may|might|should|would)"
    r" (?:(?:be|get|have|been) ){0,2}\w+"
    r"|\b(?:nobody|no one|none of us) \w+(?: \ue000+ \w+)?"
    r"|\b(?:nearly|almost|half(?!way)|partly|partially|soon) (?:been )?\w+"
    r"|\bhad (?:been |once )?\w+"
    r"|[0-9¤]+ ?% ?(?:complete|done|finished|완료|진행)|\bfailed (?:once|at first|first|initially)"
    r"|\b(?:finished|completed?|done|failed) (?:the |its |all |only )*[0-9¤]"
    r"|(?:거의|곧|절반\S*|반쯤) ?(?:다 )?(?:끝|완료)\S*|(?:끝|완료|죽|실패|멈|중단)\S*는지"
    r"|\bwas (?:still )?(?:running|training|being trained|in progress)"
    r"|\b(?:when|once|after|until|unless|before|if|while) (?:[^\s\d.,;]+ ){1,3}?"
    rf"(?:(?:is|was|has|had|still) )*{ENDS}"
    rf"|\b{THING} (?:(?:of|for|with|on|in) (?:the )?\ue000+(?:['’]s \w+)? )?(?:(?:is|was|has|were"
    rf"|had|been|just|already|also) )*{ENDS}"
    rf"|{ENDS} (?:with |of |in |on )?(?:the |its |an? |our |all )?(?:\w+ )?{THING}"
    r"|\b(?:finished|done|completed) (?:with )?(?:its |the |a )?(?:first|second|half|part|warm"
    r"|epoch)"
    r"|(?:불러오|로드|로딩|여는|저장하|올리|내려받)[가-힣]* (?:실패|멈|중단|완료|끝)"
    r"|\b(?:finished|done|completed) \w+ing\b|\bdead[ -]?(?:lines?|links?|ends?|zones?|time)"
    r"|\b(?:failed|finished|complete|completed|running|crashed|killed|dead) (?:runs|cases|list|set"
    r"|logs?|table|average|mean|loss|costs?|time|data|history)\b"
    r"|\b(?:success|failure) (?:rates?|modes?|cases?)"
    r"|(?:끝나|마치|실패하|완료하|멈추)지 (?:않|못)|(?:안|못) (?:끝|죽|멈|마|돌)\S*"
    r"|(?:반영|비교|분석|수집|인용|작성|정리|검토|확인|보고|구현|코드|평가|다운로드|업로드|준비"
    r"|로딩"
    rf"|저장|예약|설치|렌더링|촬영|백업|제출|발표|회의)[이가을를은는도]? ?{LATELY}(?:{HAPPENS}"
    rf"|중(?![가-힣]))"
    rf"|(?<![가-힣])(?![가-힣]*(?:{SELF})[이가은는] )[가-힣]+(?:[이은는]|(?<!다)가) "
    rf"{LATELY}{HAPPENS}"
    r"|(?:학습|진행|훈련|실행) ?중(?:에|이던|이었|일"
    r"|(?= (?!입니다|이다|임|이에요|이며|이고)[가-힣]))"
    r"|(?:실패|중단|오류|멈춤|크래시|완료|성공|종료)\S{0,3} ?(?:없[이었음다]|아니|아님|않|못)"
    r"|끝[나났난]\S{0,2} ?(?:때|후|뒤|면)|가장|만약|미완료"
    r"|완료 ?(?:후|대기|되지|예정|하지|되면|시)|성공 ?(?:후|시|하면|시켜|률)"
    r"|실패 ?(?:시|하면|율|한다|하는|하기)|대기|재시도"
)
"""In small letters: what is denied, wished, over, or said of something else than the run."""

DRIVING = re.compile(
    r"on the robot|polic(?:y|ies)|basket|obstacle|the box|times\b|trials?\b|rollouts?\b|[0-9]+번 중"
    r"|회 중"
    r"|정책|로봇에서|실기|바구니|상자|주행|장애물|도달|충돌"
)
"""In small letters: what fails or stops there is a drive, and no training."""
NOT_FIND = r"(?:could|can|did) ?n[o'](?:t|t to) (?:find|load|open|locate) (?:\w+ ){0,3}"
NOT_THERE = (
    r"(?:could|can|was|were|is|are|did) ?n[o']t (?:be )?(?:found|find|exist|there)|not found"
    r"|(?:was|were|is|are|went|:) missing|n[o']t where|찾(?:을|지) (?:수 없|못)|못 찾|누락"
)
DATA = r"(?:data ?sets?|validation set|training set|episodes?|h5|데이터\S*|검증 세트|에피소드\S*)"
WEIGHTS = r"(?:weights?|checkpoints?|ckpt|pretrained|가중치|체크포인트|사전 ?학습)"
WRONG = r"(?:wrong|invalid|missing|bad|mistyped|nonexistent|broken|incorrect)"
CAUSES: tuple[tuple[str, str, str, str], ...] = (
    ("path", "path|경로|체크포인트|파일",
     rf"{NOT_FIND}(?:{WEIGHTS}|file|path)|{WEIGHTS}[^.;,]{{0,24}}(?:{NOT_THERE})"
     rf"|{WRONG} (?:\w+ ){{0,3}}(?:path|file|checkpoint)"
     rf"|{WEIGHTS} (?:파일|경로)\S* ?(?:없|오류|에러|틀|잘못|문제)|no such file|file ?not ?found"
     r"|잘못된 (?:\S+ )?경로|경로\S* ?(?:\S+ )?(?:오류|에러|틀|잘못|문제|없)|did not exist"
     r"|path (?:was |is )?(?:wrong|invalid|error)|path error|파일\S* (?:찾|없)|찾을 수 없",
     r"FileNotFound|No such file|does not exist"),
    ("data", r"data ?set|데이터",
     rf"{NOT_FIND}{DATA}|{DATA}[^.;,]{{0,24}}(?:{NOT_THERE})|{WRONG} (?:\w+ )?{DATA}",
     r"(?:No such file|does not exist|FileNotFound)[^\n]*(?:\.h5|episode|data)"),
    ("memory", "memory|메모리|vram",
     r"\boom\b|out of (?:\w+ )?memory|(?:lack|shortage|exhaustion) of (?:\w+ ){0,2}memory"
     r"|(?:not enough|insufficient|too little|no more) (?:\w+ ){0,2}(?:memory|vram)"
     r"|(?:memory|vram) (?:\w+ ){0,2}(?:exhaust\w*|overflow\w*|limit|wall|ran out|shortage|error)"
     r"|(?:메모리|vram)[가를이]? ?(?:\S+ )?(?:부족|초과|모자|터|꽉|고갈|오버)",
     r"out of memory|OutOfMemory|MemoryError|\bOOM\b"),
    ("not a number", "nan",
     r"\bnan\b|발산|diverg|폭발|loss (?:\w+ )?(?:explod|blew up)"
     r"|learning rate (?:\w+ ){0,2}too (?:high|large|big)|학습률[이가]? ?(?:너무 )?(?:커|높)",
     r"\bnan\b|not finite|diverg"),
    ("import", "import|모듈",
     r"import ?error|cannot import|module ?not ?found|no module|missing (?:\w+ )?(?:package|module)"
     r"|(?:package|module) (?:was|is) missing"
     r"|(?:모듈|패키지|라이브러리)[이가를]? ?(?:없|못|누락|오류)",
     r"Cannot import|ModuleNotFound|ImportError"),
    ("disk", "disk|디스크|storage",
     r"disk (?:\w+ )?(?:full|quota)|full disk|(?:no|out of|lack of) (?:disk|storage|space)"
     r"|no space|디스크[가는]? ?(?:\S+ )?(?:부족|꽉|가득|모자|오류)|저장 ?공간[이가]? ?(?:부족|없)",
     r"No space left|disk is full"),
    ("hardware", "power|전원",
     r"overheat|power (?:cut|loss|outage|failure)|hardware (?:fault|failure|error)|정전|과열",
     r"\bXid\b|fallen off the bus|uncorrectable ECC"),
    ("killed", "killed",
     r"강제 종료|\bkilled\b", r"killed|Killed|SIGKILL|SIGTERM"),
)  # fmt: skip
"""Kind; the bare noun that a key or "because" makes a cause; what says it anywhere; the proof."""
_CAUSES = tuple((kind, re.compile(noun), re.compile(said, re.ASCII), re.compile(proof))
                for kind, noun, said, proof in CAUSES)  # fmt: skip
_ANY_CAUSE = re.compile(
    r"missing|wrong|invalid|bad |mistyped|nonexistent|broken|incorrect|not |n't|no such|no space"
    r"|no module|no more|없|못|찾|누락|오류|에러|틀|잘못|문제|부족|초과|모자|터[졌짐져]|꽉|고갈"
    r"|오버"
    r"|가득|oom|out of|lack|shortage|exhaust|insufficient|too |wall|limit|ran out|error|nan|발산"
    r"|diverg|폭발|explod|blew|full|quota|overheat|power|hardware|정전|과열|강제|killed"
)
"""Stands wherever one of them is said, and is found sooner."""
WEIGHTS_FILE = re.compile(r"\.(?:pt|ckpt|safetensors|bin)\b|checkpoint", re.IGNORECASE)
CLAUSE = re.compile(
    r",? (?:but|while|whereas|where|and) (?=\ue000)|[;,] (?=\ue000)| (?<=[고며만데] )(?=\ue000)"
)
OF_ONE = re.compile(
    r"(?:[^\ue000]{0,24}: ?)?\W*(?:(?:[가-힣]{1,4}|also|both|then|now|today|yesterday) )*"
    r"\ue000+(?:(?:와|과|랑|이랑|하고|,| and) ?\ue000+)*[^\ue000]*"
)
"""A clause whose subject is a run or several, their names masked."""
NOUN = 32
"""Letters up to which a bare noun beside "cause" is the cause."""
BECAUSE = re.compile(r"원인|이유|because|due to|since|reason|cause|때문")
UNTRUE = re.compile(
    r"(?:had been told|were told|was told|blam(?:ed|es|ing)|put (?:it|this|that) down to"
    r"|(?:first|initially|originally) (?:thought|suspected|believed|assumed)|rather than"
    r"|instead of|\bnot (?!found|enough|there|exist|be\b|where)\S+|wasn't|isn't|suspected|ruled out"
    r"|no sign of)[^.;]*?(?=[.;]|, |\bbut\b|$)"
    r"|(?:\S+ ){0,2}\S+(?:이|가|은|는) ?아니\S*|(?:\S+ ){0,3}\S+ (?:줄 알았|생각했|의심했)\S*"
)
"""In small letters: a cause that is denied, or that somebody once believed."""


def state_of(text: str) -> str | None:
    """The state that words or, failing them, a mark names; None where they name several."""
    return _state(text)[0]


def state_word(text: str) -> re.Match[str] | None:
    """Where the state is named."""
    return _state(text)[1]


@lru_cache(maxsize=8192)
def _state(text: str) -> tuple[str | None, re.Match[str] | None]:
    text = small(text)
    found: list[tuple[str, re.Match[str]]] = []
    if _ANY_STATE.search(text) and not DRIVING.search(text):
        plain = NEGATED.sub(lambda match: " " * len(match[0]), text)
        found = [(name, match) for name, words in _STATES if (match := words.search(plain))]
    if found:
        told = [name for name, _ in found]
        return found[0] if len(told) == 1 or told == ["failed", "killed"] else (None, None)
    marks = {MARKS[mark] for mark in ANY_MARK.findall(text)}
    return (marks.pop(), ANY_MARK.search(text)) if len(marks) == 1 else (None, None)


def states_of_each(text: str) -> Iterator[tuple[int, int]]:
    """Where a sentence about several runs, names masked, says the state of one after another."""
    start = 0
    for end, after in [*(match.span() for match in CLAUSE.finditer(text)), (len(text), 0)]:
        part = text[start:end]
        if OF_ONE.fullmatch(part) and (word := state_word(part)) and word[0] not in MARKS:
            yield start + word.start(), start + word.end()
        start = after


@lru_cache(maxsize=4096)
def cause_of(text: str, *, asked: bool = False) -> tuple[str, int, int] | None:
    """The one kind of failure that a text names, and where.

    `asked`: a key or the sentence says that it tells a cause: a bare noun will do.
    """
    text = small(text)
    if asked or _ANY_CAUSE.search(text):
        text = UNTRUE.sub(lambda match: " " * len(match[0]), text)
        for anywhere in (True, False) if asked and len(text) <= NOUN else (True,):
            found = {
                kind: match
                for kind, noun, said, _ in _CAUSES
                if (match := (said if anywhere else noun).search(text))
            }
            for general in ("killed", *(["path"] if "data" in found else [])):
                if len(found) > 1:
                    found.pop(general, None)
            if len(found) == 1:
                ((kind, match),) = found.items()
                return kind, match.start(), match.end()
            if found:
                return None
    return None


def causes_in_evidence(why: str) -> set[str]:
    """Kinds of failure that a log's last words prove."""
    found = {kind for kind, _, _, proof in _CAUSES if proof.search(why)}
    return found - {"data"} if WEIGHTS_FILE.search(why) else found

"""What may stand around a number: units, nouns after it, what denies or bounds it, its epoch."""

from __future__ import annotations

import re

from mobile_vla.old_claims.gates import Gate
from mobile_vla.old_claims.tokens import PARTS

UNITS = {"k": 3, "m": 6, "백만": 6, "b": 9, "kb": 3, "mb": 6, "gb": 9, "tb": 12}
EPOCH_WORD = r"(?:epoch\b|에폭|에포크)"
EPOCH_AFTER = re.compile(
    r"[\s*]*(?:\(|at|in|after|from|@|,)?\s*\(?(?:(?:at|in|after|from)\s+)?(?:the\s+)?"
    rf"(?:{EPOCH_WORD}[\s_=]*(?P<a>\d+)(?![\d.]*\d)"
    rf"|(?P<b>\d+)\s*(?:번째?\s*)?{EPOCH_WORD})"
)
EPOCH_INDEX = re.compile(rf"\s*번째?\s*{EPOCH_WORD}")
QUALIFIER_AFTER = re.compile(
    r"[\s*]*(?:(?:\(|at|by|in|after|on)\s*(?:the\s+)?(?P<q>end|best|final|last|lowest|first|start"
    r"|최종|최저)\b(?: epoch)?|(?:에서|으?로)\s*(?P<k>시작|출발|끝|마무리|종료))"
)
AFTERWARDS = {"end": "final", "lowest": "best", "first": "initial", "start": "initial",
              "시작": "initial", "출발": "initial", "끝": "final", "마무리": "final",
              "종료": "final"}  # fmt: skip
COUNTED = re.compile(
    r"[\s*]*(?:개의?|번의?|번째|회|편의?|장의?)?\s*(?P<unit>백만|[mbk](?![a-z]))?[\s*]*"
    r"(?:(?:full|whole|total|training|trained|trainable|학습한?|학습되는|학습된)[\s]*)*"
    r"(?P<noun>optimi[sz]er[\s-]*steps?|최적화 스텝|옵티마이저 스텝|steps?(?![a-z])|스텝(?!별|당)"
    r"|epochs?(?![a-z])|(?:에폭|에포크)(?!에서|의| 후|마다|당|째)"
    r"|parameters|params|파라미터|매개변수|trainable\b|weights(?![a-z])|frames(?! a second)|프레임)"
)
EACH = re.compile(r"[\s*]*(?:per|an|a|in each|each|every)\b(?: epoch)?|[\s*]*(?:당|마다)")
EACH_BEFORE = re.compile(
    r"(?:every|매|마다|(?:에폭|에포크|epoch)\s?당|per epoch:?|(?:epochs?|episodes?|¤) of|하나에)"
    r"\s*$"
)
SIZED = re.compile(r"\s*(?P<unit>tb|gb|mb|kb)(?![a-z])")
SIZE_NOUN = Gate(r"size|크기|용량|checkpoint|체크포인트|ckpt|가중치|weights|파일|file")
NO_SIZE = re.compile(
    r"gpu|vram|ram\b|memory|메모리|data ?set|데이터|disk space|디스크|download|다운|upload|업로드"
)
STOPPED = re.compile(
    r"[\d,.]*\d|\s*(?:(?:→|->)\s*~?\d|~\s*\d|–\s*\d|\+\s*\d|%|×|배|x\b|times\b|/\s*\d|of\s+\d|[a-z]\w*/|회|명)"
)
GAP = re.compile(r"[^\d;|<>~≈→%\n]*")
LOSS_REACH, REACH, LIST_REACH = 28, 16, 80
"""Characters between a noun and its number, names of runs not counted; between two losses."""
OTHER_UNIT = re.compile(
    r"[a-z_]|\s?(?:[kmgt]b|ms|m/s|hz|fps|px|초|분|시간|명|번|회|대|쪽|주|원|만 원|eur|usd|€|\$"
    r"|gpus?|cards?|pages?|trials?|boxes|people|weeks?|days?|hours?|minutes?|min)(?![a-z])"
)
UNITED = frozenset({"params", "size"})
RUN = "\ue000"
"""Stands for each letter of a run's name."""
TRAINED = re.compile(r"train|학습")
OTHER_LOSS = re.compile(
    r"(?:test|gripper|huber|caption|eval\w*|aux\w*|baseline|replay|평가|테스트|그리퍼|보조)[\s_-]*$"
)
LOSS_OF = re.compile(r"[\s_-]*(?:weight|coefficient|scale|가중치|on the (?:test|eval))")
"""Losses that are no run's training or validation loss, and what is none at all."""
JOINT = re.compile(
    r"(?:[\s*`\"'():=\ue000]|of\b|is\b|was\b|were\b|at\b|to\b|by\b|used\b|set\b|size|length|for\b"
    r"|spans\b|as\b|over\b|[은는이가을를로의에인도]|으로|크기|길이|값|수|약|총|모두|다|합쳐|개)*"
)
"""What may stand between a setting's name and its number."""
PART_BESIDE = re.compile(
    rf"[\s*]*(?:belong to|are in|of|in|for)? ?(?:the )?(?P<part>{'|'.join(PARTS)})"
)
IMPLIED = re.compile(r"[\s*`\"'():=]*(?:은|는|이|가|에|of|at|is|was|to|reached|val)?[\s*`:=(]*")
"""What may stand between "best" and a loss that is not called one."""
DENIED = re.compile(
    r"\b(?:not|no longer|instead of|rather than|below|under|above|than|least|most|beyond)"
    r"(?: \w+){0,2} ?(?:about )?$"
)
LEFT_OVER = re.compile(r"(?:남은|remaining|left to do)[^\d.]{0,14}$")
DENIED_AFTER = re.compile(
    r"[\s*]*(?:[가-힣a-z]+\s?)?(?:이|가|은)?\s?"
    r"(?:아니|보다 (?:낮|높|작|크|적|많)|이하|이상|미만|초과|을 넘)"
)
"""Numbers that are denied, or given as bounds: they are not read."""
SPLIT_PAIR = re.compile(
    r"[\s*개편]*[/,·|+&]\s*(?:and )?(?:val|validation|검증|train|training|학습)[\s:]*\d"
)
"""After the first of "학습 200 / 검증 50": a number and its split, beside another's."""
PART_BEFORE = re.compile(r"(?:after|within|in|first|only|just|by|처음|불과|단)\s*$")
PART_AFTER = re.compile(r"에(?![가-힣])|만에|까지")
"""Epochs or steps that may be a part of the run: "after 2 epochs", "2 epochs에 92% 감소"."""
OF = re.compile(r"[\s*]*(?:(?:done )?(?:out )?of|/)[\s¤]*(?=\d)")
PLANNED = re.compile(r"[\s*]*(?:가운데|중(?![가-힣])|중에서?)")
PLANNED_BEFORE = re.compile(r"(?:planned|계획(?:한|된)?)[^\d]{0,12}$")
WHOLE_NUMBERS = frozenset(
    {"lora_r", "accumulate", "batch", "window", "chunk", "seed", "steps", "any_steps", "epochs",
     "episodes", "frames"}
)  # fmt: skip
COMPOSITE = re.compile(r"[\s*]*/[\s*]*(?=\d)")
ARROW = re.compile(r"[\s*]*(?:→|->|에서(?= ?[\d~]))[\s*]*(?=\d)")
FROM_TO = re.compile(r"\s*to\s*(?=\d)")
UPWARDS = re.compile(r"\bup\b|\bback\b|\brose\b|올라|상승|증가|increas")
SPANS = ("window", "chunk")
"""What is counted in frames."""
ONE_EPOCH = re.compile(r"(?:that|this|same|each|every|an|per|그|같은|한)\s$")
EPOCH_BEFORE = re.compile(r"[\s_=*#]*(?P<n>\d+)(?![\d.]*\d|\s*epochs)")
EPISODES = re.compile(
    r"[\s*]*(?P<counter>개(?:의)?|편|건)?[\s*]*(?:(?:are |were )?"
    r"(?P<split>training|train|validation|val|held out|학습|훈련|검증)\b)?"
    r"[\s*]*(?P<noun>episodes?\b|eps\b|demos\b|에피소드)?"
    r"(?P<all> (?:in all|in total|altogether)\b)?"
)
"""What may follow a number of episodes."""
HIDDEN = tuple(
    (sign, re.compile(pattern))
    for sign, pattern in (
        (":", r"\d\d?:\d{2}(?::\d{2})?"),
        ("](", r"\]\([^)]*\)"),
        ("[^", r"\[\^[^\]]*\]"),
        (".h5", r"[\w=*]*\*?\.h5"),
        ("-", r"(?<!\w)[a-z]+-\d[\w-]*|\d+-way"),
        ("q", r"q(?<!\wq)\d+\b"),
        ("p", r"p(?<!\wp)\d+\b"),
        ("v", r"v(?<!\wv)\d[\w.]*"),
        ("dof", r"\d+dof"),
        (". ", r"^\d\.(?=\s)"),
    )
)
"""Digits that count nothing: a sign that stands in each such text, and what to look for there."""
PATHS = re.compile(r"https?://\S+|[\w.~{}-]*/[\w./{}*=~-]*[a-z_][\w./{}*=~-]*")

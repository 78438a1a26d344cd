"""Made-up texts, in several languages, whose words are as common and as rare as those of real ones.

The n-th word of a language is about 1/n as common as the first (Zipf's law): a search for one finds almost everything,
for another almost nothing.
"""

from __future__ import annotations

from itertools import accumulate, islice, product
from random import Random
from typing import Final

# Of each language, so many words.
VOCABULARY: Final = 12_000

_ENGLISH: Final = """
the to a and I it is for you my of in that on me be have with at this can not are we do so what from by there will as
please add list task done today tomorrow remind week call need when your all or if one about just day time up was put
next which after before make take buy also but has more them they now out get home work set back then milk order mail
check still send meeting book first report yes no thanks sorry two three monday friday morning evening bread doctor
invoice garden train birthday letter shopping kitchen deadline budget dentist passport holiday ticket laundry coffee
plumber insurance rent battery library notebook marathon recipe violin umbrella orchard telescope harbour lantern
""".split()
_GERMAN: Final = """
die der und ich das ist nicht es zu mir ein den bitte auf für mit heute morgen noch liste aufgabe erledigt termin woche
milch brot kaufen anrufen erinnere später wieder arbeit garten rechnung schlüssel geburtstag zug arzt küche größe
""".split()
_SPANISH: Final = """
de la que el en y a los para por mañana hoy lista tarea hecho añade comprar leche pan llamar semana reunión casa trabajo
médico factura tren jardín niños cumpleaños carta después antes gracias
""".split()
_ARABIC: Final = """
في من على أن إلى هذا اليوم غدا قائمة مهمة أضف اشتر الحليب الخبز اتصل موعد العمل البيت الطبيب شكرا رسالة أسبوع صباحا مساء
""".split()
_CHINESE: Final = """
的 我 请 了 在 今天 明天 添加 任务 清单 买 牛奶 面包 提醒 会议 完成 电话 一个 星期 医生 家 工作 谢谢
发票 火车 生日 花园 早上 晚上 信 图书馆 护照 咖啡 房租 雨伞
""".split()

_SYLLABLES: Final = [
    "ba",
    "den",
    "fi",
    "gor",
    "ha",
    "ken",
    "li",
    "mor",
    "na",
    "pel",
    "ri",
    "sto",
    "ta",
    "vin",
    "wa",
    "zu",
]
_ARABIC_SYLLABLES: Final = [
    "با",
    "دن",
    "في",
    "كر",
    "لا",
    "مو",
    "نا",
    "سي",
    "تر",
    "وا",
    "حب",
    "رو",
    "شم",
    "قا",
    "زي",
    "عم",
]


class Language:
    """Words, the most common first, and how they are put together."""

    def __init__(self, common: list[str], syllables: list[str], *, space: str = " ", stops: str = ".?!,") -> None:
        made_up = ("".join(parts) for length in (2, 3, 4) for parts in product(syllables, repeat=length))
        self.words = list(dict.fromkeys([*common, *islice(made_up, VOCABULARY)]))
        self._weights = list(accumulate(1 / (rank + 2) for rank in range(len(self.words))))
        self._space = space
        self._stops = stops

    def text(self, random: Random, words: int) -> str:
        """A text of so many words, in sentences."""
        chosen = random.choices(self.words, cum_weights=self._weights, k=words)
        sentences = []
        start = 0
        while start < words:
            end = start + 4 + int(random.random() * 10)
            sentence = self._space.join(chosen[start:end])
            sentences.append(sentence[0].upper() + sentence[1:] + self._stops[int(random.random() ** 3 * 3)])
            start = end
        return self._space.join(sentences)


# With how many of a hundred conversations are in each.
LANGUAGES: Final = [
    (Language(_ENGLISH, _SYLLABLES), 64),
    (Language(_GERMAN, [*_SYLLABLES[:12], "ü", "schen", "keit", "ös"]), 12),
    (Language(_SPANISH, [*_SYLLABLES[4:], "ción", "ño", "cá", "lle"]), 10),
    (Language(_CHINESE, list("天地人山水火木金土日月风云雨雪春夏秋冬花"), space="", stops="。？！，"), 8),
    (Language(_ARABIC, _ARABIC_SYLLABLES, stops=".؟!،"), 6),
]

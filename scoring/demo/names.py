"""Invented names and identifiers that cannot hit a real company, person or account."""

from __future__ import annotations

import hashlib

from providers.credit_code import complete

MARKER = "（演示）"

# Place-free words; the first twenty are the reference's own, the rest are made the same way.
_WORDS = [
    "云朵树",
    "石榴灯",
    "南枝鹿",
    "橙舟",
    "麦浪八",
    "白鹭矶",
    "星野荞",
    "木棉渡",
    "青瓦屿",
    "小满集",
    "鲸落湾",
    "山鹊里",
    "未晚亭",
    "松果七",
    "浮光渚",
    "芦苇荡九",
    "蓝莓塔",
    "沙洲客",
    "长风筏",
    "栗子坡",
]
_HEADS = [
    "雾凇",
    "柚子",
    "萤火",
    "苔痕",
    "风铃",
    "雪梨",
    "月桂",
    "竹影",
    "花椒",
    "海盐",
    "秋葵",
    "砂糖",
    "薄荷",
    "杏仁",
    "芝麻",
    "葡萄",
    "糯米",
    "桂圆",
    "琥珀",
    "露珠",
    "蒲公英",
    "麻雀",
    "刺猬",
    "水獭",
    "信鸽",
    "银杏",
    "樱桃",
    "桑叶",
    "豆荚",
    "稻穗",
]
_TAILS = ["坞", "筏", "灯", "渡", "亭", "集", "屿", "舟", "塔", "径"]
_TRADES = ("电商服务", "直播运营", "供应链管理", "文化传媒", "数字科技", "产业带运营")
_INVENTED = (*_WORDS, *(head + tail for tail in _TAILS for head in _HEADS))
_SURNAMES = ["云", "石", "南", "麦", "白", "星", "木", "青", "鲸", "山", "松", "芦", "蓝", "沙", "栗", "雾"]
_GIVEN = ["小满", "未晚", "浮光", "长风", "半夏", "初雪", "听雨", "知秋", "拾月", "望舒"]

# GB 11714: the organisation code inside a credit code has a check character of its own.
_ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)


def word(index: int) -> str:
    """Return the index-th invented word."""
    return _INVENTED[index % len(_INVENTED)]


def company(index: int) -> str:
    """Return the index-th company name: word, trade, legal form, marker; no two alike below 1,920."""
    turn, place = divmod(index, len(_INVENTED))
    return f"{_INVENTED[place]}{_TRADES[(place + turn) % len(_TRADES)]}有限公司{MARKER}"


def merchant(goods: str, index: int) -> str:
    """Return a shop name: what it sells and an invented word."""
    first = goods.split("/")[0]
    turn, place = divmod(index, len(_INVENTED))
    return f"演示·{first}{_INVENTED[place]}{'' if not turn else turn + 1}店"


def streamer(index: int) -> str:
    """Return a streamer's name."""
    return f"演示主播-{index:04d}"


def person(index: int) -> str:
    """Return an invented person's name."""
    return f"{_SURNAMES[index % len(_SURNAMES)]}{_GIVEN[index // len(_SURNAMES) % len(_GIVEN)]}{MARKER}"


def phone(index: int) -> str:
    """Return a telephone number nobody can have."""
    return f"100-0000-{index % 10000:04d}"


def bank_account_digest(index: int) -> str:
    """Return the SHA-256 of a made-up settlement account."""
    return hashlib.sha256(f"DEMO****{index:06d}".encode()).hexdigest()


def organisation_code(number: int) -> str:
    """Return an invented nine-character organisation code with its check character."""
    body = f"DEM{number:05d}"
    total = sum(int(sign, 36) * weight for sign, weight in zip(body, _ORGANISATION_WEIGHTS, strict=True))
    rest = 11 - total % 11
    return body + {10: "X", 11: "0"}.get(rest, str(rest))


def credit_code(number: int) -> str:
    """Return a valid unified social credit code of a division that does not exist."""
    return complete(f"00DEM0{number % 100:02d}{organisation_code(number)}")

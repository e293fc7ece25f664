"""Closed lists of the field: categories, provinces, roles."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class ProviderCategory(models.TextChoices):
    """What kind of provider it is; the rubric's profiles use these codes."""

    LOCAL_MERCHANT = "LOCAL_MERCHANT", _("Local merchant provider")
    BRAND = "BRAND", _("Brand service provider")
    MCN = "MCN", _("MCN")
    BELT = "BELT", _("Industrial-belt provider")
    SUPPLY = "SUPPLY", _("Supply-chain provider")
    TRAINING = "TRAINING", _("Training provider")


class GoodsCategory(models.TextChoices):
    """Main category of goods."""

    APPAREL = "apparel", _("Apparel, shoes and bags")
    BEAUTY = "beauty", _("Beauty and personal care")
    FOOD = "food", _("Food and fresh produce")
    HOME = "home", _("Home and general goods")
    JEWELLERY = "jewellery", _("Jewellery and jade")
    BABY_TOYS = "baby_toys", _("Baby products and toys")
    ELECTRONICS = "electronics", _("Electronics and appliances")
    TEA_LIQUOR = "tea_liquor", _("Tea and liquor")
    OTHER = "other", _("Other goods")


class Province(models.TextChoices):
    """Provinces by their GB/T 2260 code."""

    BEIJING = "11", _("Beijing")
    TIANJIN = "12", _("Tianjin")
    HEBEI = "13", _("Hebei")
    SHANXI = "14", _("Shanxi")
    INNER_MONGOLIA = "15", _("Inner Mongolia")
    LIAONING = "21", _("Liaoning")
    JILIN = "22", _("Jilin")
    HEILONGJIANG = "23", _("Heilongjiang")
    SHANGHAI = "31", _("Shanghai")
    JIANGSU = "32", _("Jiangsu")
    ZHEJIANG = "33", _("Zhejiang")
    ANHUI = "34", _("Anhui")
    FUJIAN = "35", _("Fujian")
    JIANGXI = "36", _("Jiangxi")
    SHANDONG = "37", _("Shandong")
    HENAN = "41", _("Henan")
    HUBEI = "42", _("Hubei")
    HUNAN = "43", _("Hunan")
    GUANGDONG = "44", _("Guangdong")
    GUANGXI = "45", _("Guangxi")
    HAINAN = "46", _("Hainan")
    CHONGQING = "50", _("Chongqing")
    SICHUAN = "51", _("Sichuan")
    GUIZHOU = "52", _("Guizhou")
    YUNNAN = "53", _("Yunnan")
    TIBET = "54", _("Tibet")
    SHAANXI = "61", _("Shaanxi")
    GANSU = "62", _("Gansu")
    QINGHAI = "63", _("Qinghai")
    NINGXIA = "64", _("Ningxia")
    XINJIANG = "65", _("Xinjiang")
    TAIWAN = "71", _("Taiwan")
    HONG_KONG = "81", _("Hong Kong")
    MACAU = "82", _("Macau")


class BindingRole(models.TextChoices):
    """What the provider does for the merchant or streamer; the catalogue's feeds name these."""

    OPERATION = "operation", _("Operation")
    MCN = "mcn", _("MCN")
    BELT = "belt", _("Belt")
    SUPPLY = "supply", _("Supply")
    TRAINING = "training", _("Training")
    ADS = "ads", _("Advertising")


# Whose fact it is when several roles carry it: the order in which gmv_settled_once asks.
ROLE_PRIORITY = (
    BindingRole.OPERATION,
    BindingRole.MCN,
    BindingRole.BELT,
    BindingRole.SUPPLY,
    BindingRole.TRAINING,
)

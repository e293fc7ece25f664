"""Close the lists the columns take their values from, and allow one open proposal or invitation at a time."""

import django.db.models.functions.text
from django.db import migrations, models

from ecosystem.migrating import Together


class Migration(Together):
    dependencies = [("providers", "0004_credit_code")]

    operations = [
        migrations.AlterField(
            model_name="provider",
            name="goods_category",
            field=models.CharField(
                blank=True,
                choices=[
                    ("apparel", "Apparel, shoes and bags"),
                    ("beauty", "Beauty and personal care"),
                    ("food", "Food and fresh produce"),
                    ("home", "Home and general goods"),
                    ("jewellery", "Jewellery and jade"),
                    ("baby_toys", "Baby products and toys"),
                    ("electronics", "Electronics and appliances"),
                    ("tea_liquor", "Tea and liquor"),
                    ("other", "Other goods"),
                ],
                max_length=20,
                verbose_name="main goods category",
            ),
        ),
        migrations.AddConstraint(
            model_name="binding",
            constraint=models.UniqueConstraint(
                condition=models.Q(("merchant__isnull", False), ("status", "proposed")),
                fields=("provider", "merchant", "role"),
                name="binding_one_open_proposal_per_merchant_role",
            ),
        ),
        migrations.AddConstraint(
            model_name="binding",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "proposed"), ("streamer__isnull", False)),
                fields=("provider", "streamer", "role"),
                name="binding_one_open_proposal_per_streamer_role",
            ),
        ),
        migrations.AddConstraint(
            model_name="invitation",
            constraint=models.UniqueConstraint(
                models.F("provider"),
                django.db.models.functions.text.Lower("email"),
                condition=models.Q(("accepted_at__isnull", True), ("revoked_at__isnull", True)),
                name="invitation_one_open_per_address",
            ),
        ),
        migrations.AddConstraint(
            model_name="merchant",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("province", ""),
                    (
                        "province__in",
                        [
                            "11",
                            "12",
                            "13",
                            "14",
                            "15",
                            "21",
                            "22",
                            "23",
                            "31",
                            "32",
                            "33",
                            "34",
                            "35",
                            "36",
                            "37",
                            "41",
                            "42",
                            "43",
                            "44",
                            "45",
                            "46",
                            "50",
                            "51",
                            "52",
                            "53",
                            "54",
                            "61",
                            "62",
                            "63",
                            "64",
                            "65",
                            "71",
                            "81",
                            "82",
                        ],
                    ),
                    _connector="OR",
                ),
                name="merchant_province_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="provider",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("bank_account_digest", ""), ("bank_account_digest__regex", "^[0-9a-f]{64}$"), _connector="OR"
                ),
                name="provider_bank_account_is_sha256",
            ),
        ),
        migrations.AddConstraint(
            model_name="provider",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("goods_category", ""),
                    (
                        "goods_category__in",
                        [
                            "apparel",
                            "beauty",
                            "food",
                            "home",
                            "jewellery",
                            "baby_toys",
                            "electronics",
                            "tea_liquor",
                            "other",
                        ],
                    ),
                    _connector="OR",
                ),
                name="provider_goods_category_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="provider",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("province", ""),
                    (
                        "province__in",
                        [
                            "11",
                            "12",
                            "13",
                            "14",
                            "15",
                            "21",
                            "22",
                            "23",
                            "31",
                            "32",
                            "33",
                            "34",
                            "35",
                            "36",
                            "37",
                            "41",
                            "42",
                            "43",
                            "44",
                            "45",
                            "46",
                            "50",
                            "51",
                            "52",
                            "53",
                            "54",
                            "61",
                            "62",
                            "63",
                            "64",
                            "65",
                            "71",
                            "81",
                            "82",
                        ],
                    ),
                    _connector="OR",
                ),
                name="provider_province_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="qualification",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("kind__in", ["business_licence", "taxpayer", "office", "team", "brand_authorisation", "other"])
                ),
                name="qualification_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="streamer",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("province", ""),
                    (
                        "province__in",
                        [
                            "11",
                            "12",
                            "13",
                            "14",
                            "15",
                            "21",
                            "22",
                            "23",
                            "31",
                            "32",
                            "33",
                            "34",
                            "35",
                            "36",
                            "37",
                            "41",
                            "42",
                            "43",
                            "44",
                            "45",
                            "46",
                            "50",
                            "51",
                            "52",
                            "53",
                            "54",
                            "61",
                            "62",
                            "63",
                            "64",
                            "65",
                            "71",
                            "81",
                            "82",
                        ],
                    ),
                    _connector="OR",
                ),
                name="streamer_province_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="violation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        [
                            "posing_as_platform",
                            "false_advertising",
                            "improper_speech",
                            "harassment",
                            "uncivil_language",
                            "falsified_information",
                            "refused_papers",
                            "inciting_violations",
                            "off_platform_deal",
                            "account_lending",
                            "exploiting_loopholes",
                            "account_theft",
                            "fraud",
                            "bribery",
                        ],
                    )
                ),
                name="violation_kind_known",
            ),
        ),
    ]

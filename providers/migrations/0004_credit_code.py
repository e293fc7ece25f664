"""Check the credit code to its check character in the database too."""

from django.db import migrations, models

import providers.models.provider

# GB 32100-2015: weights 3^i mod 31 over the first 17 characters, the 18th makes the sum a multiple of 31.
FORWARD = """
CREATE FUNCTION credit_code_is_right(code text) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT coalesce(
        length(code) = 18
        AND bool_and(value > 0)
        AND sum((value - 1) * (ARRAY[1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28, 1])[place]) % 31 = 0,
        false
    )
    FROM (
        SELECT place, position(substr(code, place, 1) IN '0123456789ABCDEFGHJKLMNPQRTUWXY') AS value
        FROM generate_series(1, length(code)) AS place
    ) AS characters
$$;
"""
BACKWARD = "DROP FUNCTION credit_code_is_right(text);"


class Migration(migrations.Migration):
    dependencies = [
        ("providers", "0003_batch_days_and_order_outcomes"),
    ]

    operations = [
        migrations.RunSQL(FORWARD, BACKWARD),
        migrations.RemoveConstraint(
            model_name="provider",
            name="provider_credit_code_shape",
        ),
        migrations.AddConstraint(
            model_name="provider",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("credit_code", ""),
                    ("credit_code__regex", "^[0-9A-HJ-NPQRTUWXY]{2}([0-9]{6}|DEM0[0-9]{2})[0-9A-HJ-NPQRTUWXY]{10}$"),
                    _connector="OR",
                ),
                name="provider_credit_code_shape",
            ),
        ),
        migrations.AddConstraint(
            model_name="provider",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("credit_code", ""),
                    providers.models.provider.CreditCodeIsRight(models.F("credit_code")),
                    _connector="OR",
                ),
                name="provider_credit_code_check_character",
            ),
        ),
    ]

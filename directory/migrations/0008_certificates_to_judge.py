from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("directory", "0007_mailboxes_by_proof"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="certificate",
            index=models.Index(
                models.OrderBy(models.F("judged_at"), nulls_first=True),
                condition=models.Q(("status", "published"), models.Q(("source", "issued"), _negated=True)),
                name="certificate_to_judge",
            ),
        ),
        migrations.AddIndex(
            model_name="certificate",
            index=models.Index(
                condition=models.Q(("status", "published"), models.Q(("source", "issued"), _negated=True)),
                fields=["issuer", "id"],
                name="certificate_of_issuer",
            ),
        ),
    ]

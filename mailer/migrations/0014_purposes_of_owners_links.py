from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("mailer", "0013_proofs_and_consents"),
    ]

    operations = [
        migrations.AddField(
            model_name="ownerlink",
            name="purpose",
            field=models.CharField(
                choices=[("page", "the owner's page"), ("reverify", "proving the mailbox again")], default="page", max_length=10, verbose_name="purpose"
            ),
        ),
        migrations.AddIndex(
            model_name="ownerlink",
            index=models.Index(fields=["created_at"], name="owner_link_by_age"),
        ),
    ]

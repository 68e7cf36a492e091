from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("directory", "0008_certificates_to_judge"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="certificate",
            index=models.Index(
                condition=models.Q(("source", "imported"), ("status", "published")), fields=["published_at"], name="certificate_imported"
            ),
        ),
    ]

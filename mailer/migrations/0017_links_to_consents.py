import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("mailer", "0016_changes_name_nobody_once_done")]

    operations = [
        migrations.CreateModel(
            name="ConsentLink",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("secret_digest", models.CharField(max_length=64, unique=True, verbose_name="SHA-256 of the mailed secret")),
                ("created_at", models.DateTimeField(verbose_name="created at")),
                (
                    "consent",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="links", to="mailer.consent"),
                ),
            ],
            options={"verbose_name": "link to a consent", "verbose_name_plural": "links to consents"},
        ),
    ]

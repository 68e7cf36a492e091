from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("directory", "0006_answers_without_der"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="mailbox",
            index=models.Index(condition=models.Q(("proven_at__isnull", False), ("reverify_asked_at__isnull", True)), fields=["proven_at"], name="mailbox_by_proof"),
        ),
        migrations.AddIndex(
            model_name="mailbox",
            index=models.Index(condition=models.Q(("reverify_asked_at__isnull", False)), fields=["reverify_asked_at"], name="mailbox_asked"),
        ),
    ]

"""What a certificate was judged before is found by its subject, so that a look-up of the past reads no other events."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("directory", "0010_one_index_a_question")]

    operations = [
        migrations.AddIndex(
            "directoryevent",
            models.Index(condition=models.Q(("verb", "certificate.judged")), fields=["subject", "id"], name="event_of_judgement"),
        ),
    ]

import django.contrib.postgres.fields
from django.db import migrations, models

# Set-based, for a live directory has millions of rows. The rows of certificates are found by the fingerprints that the JSON names, which hold
# in one mailbox. The column has a new name, so that a web process of the version before fails rather than answers without a DER.
CUT = r"""
UPDATE directory_answer SET
    certificates = ARRAY(
        SELECT c.id
        FROM jsonb_array_elements(('{' || convert_from(json, 'UTF8'))::jsonb -> 'certificates') WITH ORDINALITY AS told (one, place)
        JOIN directory_mailbox m ON m.match = directory_answer.match
        JOIN directory_certificate c ON c.mailbox_id = m.id AND c.fingerprint = told.one ->> 'fingerprint'
        ORDER BY told.place
    ),
    json = convert_to(regexp_replace(convert_from(json, 'UTF8'), '"der":"[A-Za-z0-9+/=]*"', '"der":""', 'g'), 'UTF8');
UPDATE directory_answer SET etag = left(encode(sha256(json), 'hex'), 32);
"""
# A row with an RSA certificate has about 2 KB, at which PostgreSQL would move the DER elsewhere: each look-up would then read two tables.
INLINE = """
ALTER TABLE directory_certificate SET (toast_tuple_target = 4080);
ALTER TABLE directory_certificate ALTER COLUMN der SET STORAGE EXTERNAL;
"""
OUTLINE = """
ALTER TABLE directory_certificate RESET (toast_tuple_target);
ALTER TABLE directory_certificate ALTER COLUMN der SET STORAGE EXTENDED;
"""
# Indexes that Django makes for `LIKE 'x%'`: nobody looks for the beginning of an address or of a fingerprint, and each publication writes them.
DROP_LIKE = r"""
DO $$
DECLARE name regclass;
BEGIN
    FOR name IN
        SELECT i.indexrelid::regclass FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        WHERE i.indrelid IN ('directory_answer'::regclass, 'directory_mailbox'::regclass, 'directory_certificate'::regclass)
        AND c.relname LIKE '%\_like'
    LOOP EXECUTE format('DROP INDEX %s', name);
    END LOOP;
END $$;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('directory', '0005_entries'),
    ]

    operations = [
        migrations.RenameField(model_name='answer', old_name='body', new_name='json'),
        migrations.AddField(
            model_name='answer',
            name='certificates',
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.BigIntegerField(), default=list, size=None, verbose_name='certificates'
            ),
        ),
        # There is no way back but to prepare each answer anew.
        migrations.RunSQL(CUT),
        migrations.RunSQL(INLINE, OUTLINE),
        migrations.RunSQL(DROP_LIKE, migrations.RunSQL.noop),
    ]

from django.db import migrations, models


def welcome(apps, schema_editor):
    apps.get_model("posts", "Post").objects.create(text="welcome")


class Migration(migrations.Migration):
    operations = [
        migrations.CreateModel(
            name="Post",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("text", models.CharField(max_length=200)),
                ("checked", models.BooleanField(default=False)),
            ],
        ),
        migrations.RunPython(welcome, migrations.RunPython.noop),
    ]

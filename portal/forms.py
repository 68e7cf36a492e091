"""How forms are drawn: Django's form renderer with this portal's own form and field templates."""

from django.forms.renderers import TemplatesSetting


class FaceRenderer(TemplatesSetting):
    """Draws `{{ form }}` and `{{ field.as_field_group }}` with label, hint, error and control, in this order."""

    form_template_name = "forms/form.html"
    field_template_name = "forms/field.html"

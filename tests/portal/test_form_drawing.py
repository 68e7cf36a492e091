"""Forms: label, hint, error, control in this order; an error names its field and links to it."""

import re

from django import forms
from django.template import engines


class Sample(forms.Form):
    name = forms.CharField(help_text="As in the register", widget=forms.TextInput(attrs={"class": "is-20"}))
    note = forms.CharField(required=False, widget=forms.Textarea)
    kind = forms.ChoiceField(choices=[("a", "Alpha"), ("b", "Beta")], widget=forms.RadioSelect)
    file = forms.FileField(required=False)
    agree = forms.BooleanField()
    token = forms.CharField(widget=forms.HiddenInput, required=False)

    def clean(self) -> None:
        raise forms.ValidationError("These do not go together")


def test_it_draws_label_hint_error_and_control_in_this_order() -> None:
    drawn = str(Sample({"name": ""})["name"].as_field_group())
    order = [drawn.index(part) for part in ("<label", 'id="id_name_helptext"', 'id="id_name_error"', "<input")]
    assert order == sorted(order)
    assert 'aria-describedby="id_name_helptext id_name_error"' in drawn
    assert 'aria-invalid="true"' in drawn
    assert 'class="input is-20"' in drawn


def test_it_marks_what_may_be_left_out() -> None:
    assert "(optional)" in str(Sample()["note"].as_field_group())
    assert "(optional)" not in str(Sample()["name"].as_field_group())


def test_it_draws_a_group_of_choices_as_one_question() -> None:
    drawn = str(Sample()["kind"].as_field_group())
    assert drawn.startswith("<fieldset")
    assert drawn.count('class="choice"') == 2
    assert re.search(r'<label for="id_kind_1">Beta</label>', drawn)


def test_it_puts_the_label_behind_a_tick_box() -> None:
    drawn = str(Sample()["agree"].as_field_group())
    assert drawn.index("<input") < drawn.index("<label")


def test_it_sums_up_every_error_and_links_to_its_field() -> None:
    form = Sample({"name": "", "kind": "c"})
    drawn = str(form)
    assert drawn.lstrip().startswith('<div class="error-summary" role="alert"')
    assert "These do not go together" in drawn
    for target in ("#id_name", "#id_kind_0", "#id_agree"):
        assert f'href="{target}"' in drawn
        assert f'id="{target[1:]}"' in drawn
    assert 'type="hidden"' in drawn


def test_it_escapes_what_came_from_outside() -> None:
    form = Sample({"name": '"><script>alert(1)</script>', "kind": "<b>"})
    assert "<script>" not in str(form)
    assert "<b>" not in str(form)


def test_it_can_draw_one_field_and_the_summary_by_tag() -> None:
    template = engines["django"].from_string("{% load face %}{% error_summary form %}{% field form.name %}")
    drawn = template.render({"form": Sample({})})
    assert drawn.count("error-summary") == 3  # class, id, aria-labelledby
    assert 'id="id_name"' in drawn

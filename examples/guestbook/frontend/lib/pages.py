"""A library of the frontend: pages out of a template with `{{name}}`, everything escaped."""

import html
import re


def fill(template, values):
    """Replaces every `{{name}}`; a list becomes list items."""

    def one(match):
        value = values[match.group(1)]
        if isinstance(value, list):
            return "\n".join(f"<li>{html.escape(str(item))}</li>" for item in value)
        return html.escape(str(value))

    return re.sub(r"\{\{(\w+)\}\}", one, template)

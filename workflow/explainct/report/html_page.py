"""A page of HTML: tables and records in this form open inside the report, other files only download."""

STYLE = (
    "body { font: 15px/1.5 sans-serif; margin: 2em; max-width: 75em } "
    "table { border-collapse: collapse } th, td { padding: .3em .8em; border-bottom: 1px solid #ccc; text-align: left }"
)


def page(title: str, body: str) -> str:
    """Return a whole page with the HTML `body` under `title`; it needs no network."""
    head = f'<meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body><h1>{title}</h1>\n{body}\n</body></html>\n'

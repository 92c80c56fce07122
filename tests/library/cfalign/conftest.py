"""A labelled set of views, made once."""

import pytest
from view_files import label, nodules, write_views


@pytest.fixture(scope="session")
def labelled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("views")
    files = write_views(folder, nodules())
    return {"table_file": label(folder, files["nodules_file"]), "views_file": files["views_file"]}

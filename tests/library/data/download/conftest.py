"""The archive that the tests download."""

import pandas as pd
import pytest
from remote_archive import BIG, LARGE, SERIES, Remote, dicom
from server import serving


@pytest.fixture
def remote(tmp_path, monkeypatch):
    """Three series of 7, 3 and 1 files; one file is large."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as store:
        remote = Remote(store, tmp_path)
        (tmp_path / "manifests").mkdir()
        rows = []
        for uid, (patient, count) in SERIES.items():
            files = {remote.path(uid, n): dicom(uid, n, BIG if (uid, n) == LARGE else 2000) for n in range(count)}
            store.objects.update(files)
            size_mb = sum(map(len, files.values())) / 1e6
            url = f"s3://bucket/{uid.replace('.', '-')}/"
            rows.append({"series_uid": uid, "patient_id": patient, "instances": count, "size_mb": size_mb, "url": url})
        pd.DataFrame(rows).to_csv(tmp_path / "manifests" / "nih_pancreas.csv", index=False)
        yield remote

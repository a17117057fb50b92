"""The record of kernels that have passed on a GPU; those that have not are a warning, never a failure."""

from __future__ import annotations

import json
import warnings

from minigrad.kernels.cuda import source, verified


def test_what_has_not_passed_on_a_gpu_is_a_warning():
    files = verified.unverified()
    assert set(files) <= set(source.all_files())
    if files:
        warnings.warn(f"not yet verified on a GPU, as they are now: {', '.join(files)}", stacklevel=1)


def test_the_record_forgets_a_kernel_that_changed(tmp_path, monkeypatch):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.cu").write_text('#include "shared.cuh"\n')
        (tmp_path / name / "shared.cuh").write_text(f"// of {name}\n")
    for module in (source, verified):
        monkeypatch.setattr(module, "KERNELS", tmp_path)
    monkeypatch.setattr(verified, "RECORD", tmp_path / "verified.json")
    source.load.cache_clear()
    try:
        assert verified.unverified() == ["one/one.cu", "two/two.cu"]
        verified.write(["one/one.cu", "two/two.cu"], "NVIDIA H200")
        assert verified.unverified() == []
        (tmp_path / "two" / "shared.cuh").write_text("// changed\n")
        source.load.cache_clear()
        assert verified.unverified() == ["two/two.cu"]
        (tmp_path / "one" / "one.cu").unlink()
        verified.write(["two/two.cu"], "NVIDIA H200")
        ((file, entry),) = json.loads(verified.RECORD.read_text()).items()
        assert file == "two/two.cu" and entry["device"] == "NVIDIA H200" and len(entry["passed"]) == 10
    finally:
        source.load.cache_clear()

from __future__ import annotations

import random
import re
import sys

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from graphcortex.data import Coactivity, Connectome, DataFileError, MicronsRecordings, UnsafeFileError
from graphcortex.data.schema import NEURON
from graphcortex.ops import correlation
from tests.data._tiny_nwb import FLUORESCENCE, SEGMENTATION, UNITS, T, nuclei_of, scan_name, traces_of, write_scan

h5py = pytest.importorskip("h5py", reason="the extra [nwb] is not installed")

SERIES, PLANE = f"{FLUORESCENCE}/RoiResponseSeries2", f"{SEGMENTATION}/PlaneSegmentation2"


@pytest.fixture
def scan(tmp_path):
    return write_scan(tmp_path / scan_name())


def test_reads_every_field_of_a_scan(scan):
    recordings = MicronsRecordings(scan)
    assert recordings.scans == ((4, 7),)
    assert recordings.names == ("4_7_1", "4_7_2")
    for field, units in UNITS.items():
        found = recordings.read(4, 7, field)
        assert (found.session, found.scan, found.field, found.name) == (4, 7, field, f"4_7_{field}")
        assert_array_equal(found.traces, traces_of(field).T)
        assert found.traces.dtype == torch.float32
        assert found.traces.is_contiguous()
        assert found.unit_id.tolist() == units
        assert found.unit_id.dtype == found.nucleus_id.dtype == torch.int64
        assert_array_equal(found.nucleus_id, np.nan_to_num(nuclei_of(field)).astype(int))
        assert_allclose(found.timestamps_s, 5 + np.arange(T) / 6.25)
        assert found.timestamps_s.dtype == torch.float64
        assert found.rate_hz == pytest.approx(6.25)
        assert found.mask_type == ("soma", "artifact", "soma", "soma")[: len(units)]
        for place, unit in enumerate(units):
            expected = (
                [np.nan] * 3
                if unit % 3 == 0
                else [(200_000 + unit) * 0.004, (100_000 + unit) * 0.004, (20_000 + unit) * 0.04]
            )
            assert_allclose(found.pos[place], expected, rtol=1e-6)
    assert "7 units" not in repr(found)
    assert repr(found) == "Recording(4_7_2: 3 units, 60 frames at 6.25 Hz)"


def test_a_folder_holds_scans_at_any_depth_and_fields_have_names(tmp_path):
    for session, number in ((5, 3), (4, 7)):
        write_scan(tmp_path / f"sub-{session}" / scan_name(session, number), session, number)
    (tmp_path / "notes.txt").write_text("not a recording")
    recordings = MicronsRecordings(tmp_path)
    assert recordings.names == ("4_7_1", "4_7_2", "5_3_1", "5_3_2")
    assert recordings["5_3_2"].session == 5
    assert recordings.fields(5, 3) == (1, 2)
    assert repr(recordings) == f"MicronsRecordings(2 scans in {str(tmp_path)!r})"


def test_the_scan_is_known_from_the_name_where_the_file_does_not_say(tmp_path):
    def silent(file):
        del file["general"]

    assert MicronsRecordings(write_scan(tmp_path / scan_name(9, 4), change=silent)).scans == ((9, 4),)
    assert MicronsRecordings(write_scan(tmp_path / "renamed.nwb", 6, 2)).scans == ((6, 2),)


def test_traces_are_of_the_rows_that_rois_name(tmp_path):
    def turned(file):
        file[f"{SERIES}/rois"][:] = [2, 0, 1]

    found = MicronsRecordings(write_scan(tmp_path / scan_name(), change=turned))["4_7_2"]
    assert found.unit_id.tolist() == [7, 5, 6]
    assert found.nucleus_id.tolist() == [100_007, 100_005, 0]
    assert found.mask_type == ("soma", "soma", "artifact")
    assert_array_equal(found.traces, traces_of(2).T)


def test_a_rate_serves_where_there_are_no_timestamps_and_columns_may_be_missing(tmp_path):
    def bare(file):
        del file[f"{SERIES}/timestamps"], file[f"{SERIES}/rois"]
        file[f"{SERIES}/starting_time"] = 2.0
        file[f"{SERIES}/starting_time"].attrs["rate"] = 8.0
        for column in ("nucleus_id", "mask_type", "pt_y_position"):
            del file[f"{PLANE}/{column}"]

    found = MicronsRecordings(write_scan(tmp_path / scan_name(), change=bare))["4_7_2"]
    assert_allclose(found.timestamps_s, 2 + np.arange(T) / 8)
    assert found.nucleus_id.tolist() == [0, 0, 0]
    assert found.pos.isnan().all()
    assert found.mask_type == ()


def test_the_table_is_the_one_that_rois_refer_to(tmp_path):
    def other(file):
        file[f"{SERIES}/rois"][...] = [2, 0, 1]
        file[f"{SERIES}/rois"].attrs["table"] = file[f"{SEGMENTATION}/PlaneSegmentation1"].ref

    found = MicronsRecordings(write_scan(tmp_path / scan_name(), change=other))["4_7_2"]
    assert found.unit_id.tolist() == [3, 1, 2]
    assert found.nucleus_id.tolist() == [0, 100_001, 100_002]
    assert found.mask_type == ("soma", "soma", "artifact")
    assert_allclose(found.pos[1, 0], (200_000 + 1) * 0.004, rtol=1e-6)
    assert_array_equal(found.traces, traces_of(2).T)

    def one_table(file):
        other(file)
        del file[PLANE]

    assert MicronsRecordings(write_scan(tmp_path / "one" / scan_name(), change=one_table))[
        "4_7_2"
    ].unit_id.tolist() == [3, 1, 2]


@pytest.mark.parametrize("dtype", ["u1", "<u2", ">u2", "<i4", ">i8", "<u8", "<f2", ">f4", "f8", "?"])
def test_conversion_and_offset_make_traces_of_what_is_stored(dtype, tmp_path):
    stored = np.random.default_rng(0).integers(0, 200, (T, 3)).astype(dtype)

    def change(file):
        put(f"{SERIES}/data", stored)(file)
        attribute(f"{SERIES}/data", conversion=0.1, offset=np.array([-5.0]), unit="dF/F")(file)

    found = MicronsRecordings(write_scan(tmp_path / scan_name(), change=change))["4_7_2"]
    assert_allclose(found.traces, stored.T.astype(float) * 0.1 - 5, rtol=1e-6, atol=1e-6)
    plain = MicronsRecordings(write_scan(tmp_path / "plain" / scan_name(), change=put(f"{SERIES}/data", stored)))[
        "4_7_2"
    ]
    assert_array_equal(plain.traces, stored.T.astype(np.float32))


@pytest.mark.parametrize(("unit", "scale"), [("seconds", 1.0), (b"s", 1.0), ("milliseconds", 1000.0), ("us", 1e6)])
def test_times_have_a_unit(unit, scale, tmp_path):
    def stamps(file):
        put(f"{SERIES}/timestamps", (5 + np.arange(T) / 6.25) * scale)(file)
        attribute(f"{SERIES}/timestamps", unit=unit)(file)

    def start(file):
        del file[f"{SERIES}/timestamps"]
        file[f"{SERIES}/starting_time"] = 5.0 * scale
        attribute(f"{SERIES}/starting_time", unit=unit, rate=np.array([6.25]))(file)

    for name, change in (("stamps", stamps), ("start", start)):
        found = MicronsRecordings(write_scan(tmp_path / name / scan_name(), change=change))["4_7_2"]
        assert_allclose(found.timestamps_s, 5 + np.arange(T) / 6.25, rtol=1e-12)


def test_one_unit_of_nan_leaves_the_others_readable(tmp_path):
    def one(file):
        file[f"{SERIES}/data"][:, 1] = np.nan

    path = write_scan(tmp_path / scan_name(), change=one)
    with pytest.warns(UserWarning, match=rf"{re.escape(str(path))}: 1 of 3 units have NaN in .*{T} values"):
        found = MicronsRecordings(path)["4_7_2"]
    assert found.missing_frames.tolist() == [0, T, 0]
    assert repr(found) == "Recording(4_7_2: 3 units, 60 frames at 6.25 Hz, 1 units with NaN)"
    assert_array_equal(found.traces[[0, 2]], traces_of(2).T[[0, 2]])
    whole = found.complete()
    assert whole.unit_id.tolist() == [5, 7]
    assert whole.mask_type == ("soma", "soma")
    assert whole.timestamps_s.numel() == T
    graph = Connectome.from_arrays(torch.rand(3, 3), [[0, 1], [1, 2]], [1, 1])
    with pytest.warns(UserWarning, match="1 of 3 neurons have NaN"):
        out = Coactivity(traces=found.traces)(graph)
    assert out.coactivity.edge_index.tolist() == [[0, 2], [2, 0]]
    assert_allclose(out.coactivity.correlation, correlation(whole.traces)[[0, 1], [1, 0]])


def test_a_dropped_frame_leaves_all_units(tmp_path):
    def frame(file):
        file[f"{SERIES}/data"][7] = np.nan
        file[f"{SERIES}/data"][9, 2] = np.nan
        file[f"{SERIES}/data"][:, 0] = np.nan

    with pytest.warns(UserWarning, match="3 of 3 units have NaN"):
        found = MicronsRecordings(write_scan(tmp_path / scan_name(), change=frame))["4_7_2"].complete()
    assert found.unit_id.tolist() == [6]
    assert_array_equal(found.traces[0], np.delete(traces_of(2)[:, 1], 7))
    assert_allclose(found.timestamps_s, np.delete(5 + np.arange(T) / 6.25, 7))


def test_minus_one_is_no_nucleus(tmp_path):
    for number, dtype in enumerate((np.int64, np.float64)):
        change = put(f"{PLANE}/nucleus_id", np.array([-1, 6, 7], dtype=dtype))
        found = MicronsRecordings(write_scan(tmp_path / str(number) / scan_name(), change=change))["4_7_2"]
        assert found.nucleus_id.tolist() == [0, 6, 7]


def test_units_are_selected_in_the_order_of_a_connectome(scan):
    recording = MicronsRecordings(scan)["4_7_1"]
    graph = Connectome.from_arrays(torch.rand(3, 3), [[0, 1], [1, 2]], [1, 1], unit_id=[4, 1, 3])
    out = Coactivity(traces=lambda connectome: recording.select(connectome[NEURON].unit_id).traces)(graph)
    expected = correlation(torch.from_numpy(traces_of(1).T[[3, 0, 2]].copy()))
    assert_allclose(out.coactivity_matrix("correlation"), expected, atol=1e-14)
    chosen = recording.select([3, 2])
    assert chosen.unit_id.tolist() == [3, 2]
    assert chosen.mask_type == ("soma", "artifact")
    assert chosen.nucleus_id.tolist() == [0, 100_002]
    assert recording.unit_id.tolist() == [1, 2, 3, 4]
    with pytest.raises(DataFileError, match=r"2 of 3 that are not there, the first 50"):
        recording.select([1, 50, 60])
    with pytest.raises(DataFileError, match="whole numbers"):
        recording.select([1.0])


def remove(path):
    def change(file):
        del file[path]

    return change


def put(path, value):
    def change(file):
        if path in file:
            del file[path]
        file[path] = value

    return change


def link_out(file):
    del file[f"{SERIES}/data"]
    file[f"{SERIES}/data"] = h5py.ExternalLink("/etc/elsewhere.h5", "/data")


def link_a_group_out(file):
    del file["processing"]
    file["processing"] = h5py.ExternalLink("elsewhere.h5", "/processing")


def data_elsewhere(file):
    del file[f"{SERIES}/data"]
    file.create_dataset(f"{SERIES}/data", (T, 3), "f4", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)])


def virtual(file):
    del file[f"{SERIES}/data"]
    layout = h5py.VirtualLayout((T, 3), "f4")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "data", (T, 3))
    file[SERIES].create_virtual_dataset("data", layout)


def huge(file):
    del file[f"{SERIES}/data"]
    file.create_dataset(f"{SERIES}/data", (10**9, 10**4), "f8", chunks=(1000, 100), compression="gzip")


def link_within(file):
    del file[f"{SERIES}/timestamps"]
    file[f"{SERIES}/timestamps"] = h5py.SoftLink(f"/{FLUORESCENCE}/RoiResponseSeries1/timestamps")


def attribute(path, **values):
    def change(file):
        file[path].attrs.update(values)

    return change


def rois_of(table):
    """Let the rows of the second field be those of another table."""

    def change(file):
        file[f"{SERIES}/rois"].attrs["table"] = table(file)

    return change


def of_nothing(file):
    gone = file.create_group("gone")
    reference = gone.ref
    del gone, file["gone"]
    return reference


BAD = {
    "no fluorescence": (
        remove(FLUORESCENCE),
        f"expected /{FLUORESCENCE}, .* got /processing/ophys with ImageSegmentation",
    ),
    "no ophys": (remove("processing"), r"expected /processing/.* got / with general; is it such a file"),
    "no series": (remove(SERIES), r"RoiResponseSeries2, got the fields 1\."),
    "no traces": (remove(f"{SERIES}/data"), r"expected /.*RoiResponseSeries2/data, .*with rois, timestamps"),
    "no plane": (remove(PLANE), "PlaneSegmentation2/id, .* with PlaneSegmentation1"),
    "no ids": (remove(f"{PLANE}/id"), "PlaneSegmentation2/id"),
    "no times": (remove(f"{SERIES}/timestamps"), "RoiResponseSeries2/starting_time"),
    "traces of text": (put(f"{SERIES}/data", np.array([["a"]], dtype=object)), "expected numbers in 2 dimensions"),
    "traces of one unit": (put(f"{SERIES}/data", np.zeros(T)), "expected numbers in 2 dimensions"),
    "no units": (put(f"{SERIES}/data", np.zeros((T, 0))), "expected finite traces"),
    "only NaN": (put(f"{SERIES}/data", np.full((T, 3), np.nan)), "180 that are NaN"),
    "infinite": (put(f"{SERIES}/data", np.full((T, 3), np.inf)), "180 values that are infinite"),
    "too large": (put(f"{SERIES}/data", np.full((T, 3), 1e200)), "too large for float32"),
    "times of another field": (
        put(f"{SERIES}/timestamps", np.arange(T - 1.0)),
        f"expected {T} entries in .*timestamps.*got 59",
    ),
    "times that go back": (put(f"{SERIES}/timestamps", np.arange(T)[::-1] * 1.0), "ascending times in s"),
    "fewer rois": (put(f"{SERIES}/rois", np.arange(2)), "expected 3 entries in .*rois.* got 2"),
    "rois beyond the table": (put(f"{SERIES}/rois", np.array([0, 1, 3])), r"rows 0 \.\. 2 .* got 0 \.\. 3"),
    "rois of a data set": (rois_of(lambda file: file[f"{PLANE}/id"].ref), "refer to a table of this file"),
    "rois of a table that is gone": (
        rois_of(of_nothing),
        "refer to a table of this file, such as .*which leads to none",
    ),
    "rois of a text": (rois_of(lambda file: "PlaneSegmentation1"), "got 'PlaneSegmentation1', which leads to none"),
    "a conversion of NaN": (
        attribute(f"{SERIES}/data", conversion=np.nan),
        "finite number as the attribute conversion",
    ),
    "a conversion of 0": (attribute(f"{SERIES}/data", conversion=0.0), "conversion of .* other than 0"),
    "an offset of text": (
        attribute(f"{SERIES}/data", offset="much"),
        "finite number as the attribute offset .* got 'much'",
    ),
    "times in frames": (
        attribute(f"{SERIES}/timestamps", unit="frames"),
        "times in one of seconds, .* got the unit 'frames'",
    ),
    "units beyond int64": (
        put(f"{PLANE}/id", np.array([2**63 + 5, 6, 7], dtype=np.uint64)),
        r"ids from 0 to 2\*\*63 - 1 in",
    ),
    "nuclei beyond int64": (
        put(f"{PLANE}/nucleus_id", np.array([2**63, 6, 7], dtype=np.uint64)),
        r"ids from 0 to 2\*\*63 - 1",
    ),
    "rois beyond int64": (put(f"{SERIES}/rois", np.array([2**63, 1, 2], dtype=np.uint64)), r"rows 0 \.\. 2 "),
    "units below 0": (put(f"{PLANE}/id", np.array([-5, 6, 7])), r"ids from 0 .* got values from -5"),
    "nuclei below -1": (put(f"{PLANE}/nucleus_id", np.array([-5, 6, 7])), r"ids from 0 .* got values from -5"),
    "nuclei below -1 as floats": (
        put(f"{PLANE}/nucleus_id", np.array([-5.0, 6, 7])),
        r"ids from 0 .* got values from -5",
    ),
    "one unit twice": (put(f"{PLANE}/id", np.array([5, 6, 6])), "each unit once"),
    "ids as floats": (put(f"{PLANE}/id", np.array([5.0, 6, 7])), "expected whole numbers"),
    "half a nucleus": (put(f"{PLANE}/nucleus_id", np.array([1.5, 2, 3])), "whole ids in .*nucleus_id"),
    "ids that floats cannot hold": (put(f"{PLANE}/nucleus_id", np.array([2.0**60, 2, 3])), "digits are lost"),
    "ids as float32": (put(f"{PLANE}/nucleus_id", np.array([3e8, 2, 3], dtype=np.float32)), "digits are lost"),
    "positions in nm": (
        put(f"{PLANE}/pt_x_position", np.array([8e8, 1e5, 1e5])),
        "beyond 20000 um, which look like nm",
    ),
    "types of others": (
        put(f"{PLANE}/mask_type", np.array(["soma"], dtype=object)),
        "expected 3 entries in .*mask_type",
    ),
    "types as numbers": (put(f"{PLANE}/mask_type", np.arange(3)), "expected texts"),
    "another file's traces": (link_out, "got a link to another file, '/etc/elsewhere.h5'; refused"),
    "another file's groups": (link_a_group_out, "got a link to another file"),
    "bytes of another file": (data_elsewhere, "got data that lie in another; refused"),
    "a view of another file": (virtual, "got data that lie in another; refused"),
    "more than was written": (huge, "got 0 bytes for 80000000000000"),
    "a link within": (link_within, "it is not followed"),
}


@pytest.mark.parametrize(("change", "message"), BAD.values(), ids=BAD.keys())
def test_names_what_is_wrong(change, message, tmp_path):
    path = write_scan(tmp_path / scan_name(), change=change)
    with pytest.raises(DataFileError, match=message) as raised:
        MicronsRecordings(path)["4_7_2"]
    assert str(path) in str(raised.value)
    if "refused" in message:
        assert isinstance(raised.value, UnsafeFileError)


def test_names_what_is_wrong_with_folders_and_names(tmp_path, scan):
    with pytest.raises(DataFileError, match="got nothing; check the path"):
        MicronsRecordings(tmp_path / "elsewhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataFileError, match="got one without any"):
        MicronsRecordings(tmp_path / "empty")
    recordings = MicronsRecordings(tmp_path)
    with pytest.raises(DataFileError, match=r"expected a file of scan 5_3, got files of 4_7"):
        recordings["5_3_2"]
    with pytest.raises(DataFileError, match=r"RoiResponseSeries9, got the fields 1, 2\."):
        recordings["4_7_9"]
    with pytest.raises(DataFileError, match=r"named session_scan_field, such as '4_7_2'; got '../4_7_2'"):
        recordings["../4_7_2"]
    write_scan(tmp_path / "copy" / scan_name())
    with pytest.raises(DataFileError, match="expected one file per scan, got another of session 4, scan 7"):
        MicronsRecordings(tmp_path)
    with pytest.raises(DataFileError, match="expected session 4, scan 7 in its name"):
        MicronsRecordings(write_scan(tmp_path / "other" / scan_name(5, 3)))
    with pytest.raises(DataFileError, match="got neither; is it a file of DANDI 000402"):
        MicronsRecordings(write_scan(tmp_path / "third" / "scan.nwb", change=remove("general")))


@pytest.mark.parametrize(
    "content",
    [b"", b"\x89HDF\r\n\x1a\n", b"<html>not found</html>", b"\x93NUMPY\x01\x00"],
    ids=["empty", "only a signature", "a page", "npy"],
)
def test_a_file_of_another_kind_is_named(content, tmp_path):
    path = tmp_path / scan_name()
    path.write_bytes(content)
    with pytest.raises(
        DataFileError,
        match=r"expected a whole NWB \(HDF5\) file, got one that is truncated, damaged or of another kind",
    ):
        MicronsRecordings(path)


def test_truncated_files_are_named(scan):
    whole = scan.read_bytes()
    for size in np.linspace(1, len(whole) - 1, 40).astype(int):
        scan.write_bytes(whole[:size])
        with pytest.raises(DataFileError):
            MicronsRecordings(scan)["4_7_2"]


def test_damaged_files_give_data_or_a_named_error(scan):
    """Bits are flipped in the metadata and in the data: either nothing that we read has changed, or it is named."""
    whole, rng, refused = scan.read_bytes(), random.Random(0), 0
    # Not in the heaps of texts of variable length (4 kB each, in whole): the HDF5 library itself never returns from some.
    heaps = [match.start() for match in re.finditer(b"GCOL", whole)]
    assert heaps
    places = sorted(set(range(len(whole))) - {at + k for at in heaps for k in range(4096)})
    for _ in range(300):
        damaged = bytearray(whole)
        for place in rng.sample(places, rng.randint(1, 3)):
            damaged[place] ^= 1 << rng.randrange(8)
        scan.write_bytes(damaged)
        try:
            found = MicronsRecordings(scan)["4_7_2"]
        except DataFileError:
            refused += 1
        else:
            assert found.traces.isfinite().all()
    assert refused > 20


def test_h5py_is_asked_for_where_it_is_missing(scan, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match=r"Reading NWB files needs h5py.*graphcortex-rnn\[nwb\]"):
        MicronsRecordings(scan)

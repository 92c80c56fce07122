"""Grouping annotations by lesion: published counts, tolerance, order."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explainct.data.annotate.clustering import cluster_annotations
from explainct.data.annotate.lidc_database import Annotation, Contour


def dot(number, k, row, column):
    return Annotation(number, 1, {}, (Contour(float(k), True, np.array([[row, column]]), "1.dcm", k),))


def numbers(clusters):
    return [[annotation.annotation_id for annotation in cluster] for cluster in clusters]


def test_all_nodules_by_number_of_readers(database, scans):
    clusters = {i: cluster_annotations(group, scans[i].slice_thickness) for i, group in database.annotations.items()}
    counts = Counter(len(cluster) for found in clusters.values() for cluster in found)
    assert counts == {1: 771, 2: 488, 3: 481, 4: 897, 5: 8, 6: 2, 7: 3, 8: 1}
    first = {scan.patient_id: scan.scan_id for scan in reversed(database.scans)}
    assert sum(len(clusters.get(scan_id, ())) for scan_id in first.values()) == 2625


def test_no_annotation_no_lesion():
    assert cluster_annotations([], 1.0) == []


@pytest.mark.parametrize(("tolerance", "lesions"), [(4.99, 2), (5.0, 1)])
def test_the_tolerance_itself_still_links(tolerance, lesions):
    assert len(cluster_annotations([dot(1, 0, 0, 0), dot(2, 0, 3, 4)], tolerance)) == lesions


def test_slices_count_as_one_unit():
    assert numbers(cluster_annotations([dot(1, 9, 0, 0), dot(2, 7, 0, 0), dot(3, 8, 0, 0)], 1.0)) == [[1, 2, 3]]


def test_lesions_by_ascending_z_and_members_as_given():
    annotations = [dot(1, 50, 0, 0), dot(2, 10, 0, 0), dot(3, 51, 0, 0), dot(4, 10, 1, 0)]
    assert numbers(cluster_annotations(annotations, 1.0)) == [[2, 4], [1, 3]]


def test_tolerance_shrinks_by_a_tenth_until_at_most_four_readers_remain():
    columns = [0, 0, 4, 9, 9, 9]
    annotations = [dot(number, number // 3, 0, column) for number, column in enumerate(columns)]
    assert numbers(cluster_annotations(annotations, 5.2)) == [[0, 1, 2], [3, 4, 5]]


def test_five_readers_at_one_place_stay_together():
    assert numbers(cluster_annotations([dot(number, 0, 7, 7) for number in range(5)], 2.5)) == [[0, 1, 2, 3, 4]]


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=9),
    st.floats(0.2, 5),
    st.randoms(use_true_random=False),
)
def test_clusters_are_a_partition_that_no_order_changes(places, thickness, random):
    annotations = [dot(number, *place) for number, place in enumerate(places)]
    groups = {frozenset(members) for members in numbers(cluster_annotations(annotations, thickness))}
    assert sorted(number for group in groups for number in group) == list(range(len(places)))
    random.shuffle(annotations)
    assert {frozenset(members) for members in numbers(cluster_annotations(annotations, thickness))} == groups

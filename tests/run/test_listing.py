from tlkit.run import listing


def test_the_list_of_backbones_has_their_facts_and_no_test_rows():
    rows = {row.name: row for row in listing.backbones().backbones}
    assert list(rows) == ["efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"]
    lite0 = rows["efficientnet_lite0"]
    assert (lite0.parameters, lite0.total_parameters, lite0.image_size) == (4_652_008, 4_694_024, 224)
    assert (lite0.top1, lite0.licence) == (0.751, "Apache-2.0")
    (test,) = listing.backbones("efficientnet_test").backbones
    assert test.top1 is None and test.licence is None

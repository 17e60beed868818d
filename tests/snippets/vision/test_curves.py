from snippets.vision.curves import show_losses


def test_each_point_is_the_mean_of_fifty_steps():
    (axes,) = show_losses([1.0] * 50 + [3.0] * 50 + [9.0], {"level": 2.0}, "X").axes
    assert axes.lines[0].get_xydata().tolist() == [[25, 1], [75, 3]]
    assert axes.lines[1].get_label() == "level"

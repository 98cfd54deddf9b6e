from tfglue.training.selection import Selection


def test_the_best_score_is_kept_and_ties_keep_the_earlier():
    selection = Selection()
    assert [selection.observe(s, i) for i, s in enumerate([-0.2, 0.5, 0.5, 0.4, 0.6])] == [
        True, True, False, False, True,
    ]
    assert (selection.best_score, selection.best_update) == (0.6, 4)
    assert not selection.exhausted


def test_patience_counts_evaluations_without_improvement():
    selection = Selection(patience=2)
    for update, score in enumerate([0.5, 0.4]):
        selection.observe(score, update)
    assert not selection.exhausted
    selection.observe(0.5, 2)
    assert selection.exhausted


def test_state_goes_round_even_before_the_first_evaluation():
    selection = Selection(patience=3)
    assert Selection(**selection.state()) == selection
    selection.observe(0.25, 10)
    assert Selection(**selection.state()) == selection

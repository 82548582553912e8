from src.errors import suggest


def test_a_misspelled_word_gets_a_hint():
    assert suggest("resnet81", ["fast", "resnet18"]) == "did you mean 'resnet18'? (known: fast, resnet18)"


def test_a_strange_word_gets_no_hint():
    assert suggest("transformer", ["resnet18", "resnet34"]) == "(known: resnet18, resnet34)"


def test_a_value_that_is_no_word_gets_no_hint():
    assert suggest(3, iter(["fast"])) == "(known: fast)"

"""The canonical form on hand-written text with markers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator.lowering.canonical import Marks, canonicalise, rename, split_unit
from generator.records import LineSpan


def unit(*lines: str) -> str:
    return "\n".join(lines) + "\n"


def tagged(text: str, line: int) -> str:
    return f"{text}{Marks.LINE}{line}"


code_lines = st.text(alphabet='ab;{}"/ \t', min_size=1, max_size=12)
markers = st.builds(
    lambda kind, line: f"{kind}{line}",
    st.sampled_from([Marks.BEFORE, Marks.AFTER]),
    st.integers(1, 30),
)
sections = st.sampled_from([Marks.FORWARD, Marks.CUSTOM_ADJOINT, Marks.ADJOINT, Marks.END])
statements = st.builds(tagged, st.sampled_from(["x = 1;", "\ty = 2;"]), st.integers(0, 30))


@given(st.lists(st.one_of(code_lines, markers, sections, statements, st.just(""))))
def test_code_is_kept_in_order_and_everything_else_goes(lines):
    result = canonicalise(unit(*lines))
    kept = [text.strip() for text in result.code.split("\n") if text]
    in_adjoint = False
    expected = []
    for line in lines:
        if line in (Marks.FORWARD, Marks.CUSTOM_ADJOINT, Marks.ADJOINT, Marks.END):
            in_adjoint = line == Marks.ADJOINT
        text = line.partition(Marks.LINE)[0] if in_adjoint else line
        if text.strip() and not text.lstrip().startswith("//"):
            expected.append(text.strip())
    assert kept == expected
    assert "\n\n\n" not in result.code
    assert all(text == text.rstrip() for text in result.code.split("\n"))


@given(st.lists(st.one_of(code_lines, markers, sections, statements, st.just(""))))
def test_spans_are_disjoint_in_order_and_within_the_code(lines):
    result = canonicalise(unit(*lines))
    code = result.code.split("\n")[:-1]
    end = 0
    for span in result.line_map:
        assert end < span.code_start <= span.code_end <= len(code)
        assert all(code[span.code_start - 1 : span.code_end])
        assert span.python_line > 0
        end = span.code_end


@given(st.lists(st.one_of(code_lines, st.just(""))))
def test_canonical_text_is_its_own_canonical_form(lines):
    once = canonicalise(unit(*lines)).code
    assert canonicalise(once).code == once


def test_forward_code_belongs_to_the_marker_before_it_up_to_the_end():
    result = canonicalise(
        unit("void f()", "{", Marks.FORWARD, "    int a;", f"{Marks.BEFORE}7", "    a = 1;")
        + unit(f"{Marks.BEFORE}9", "    a = 2;", "    goto end;", Marks.END, "}")
    )
    assert result.code == "void f()\n{\n    int a;\n    a = 1;\n    a = 2;\n    goto end;\n}\n"
    assert result.line_map == (LineSpan(7, 4, 4, "forward"), LineSpan(9, 5, 6, "forward"))


def test_a_custom_adjoint_reads_like_forward_code_but_counts_as_adjoint():
    result = canonicalise(unit(Marks.CUSTOM_ADJOINT, f"{Marks.BEFORE}3", "a = 1;", Marks.END))
    assert result.line_map == (LineSpan(3, 1, 1, "adjoint"),)


def test_in_an_adjoint_function_marker_and_statement_must_agree():
    result = canonicalise(
        unit(
            Marks.ADJOINT,
            "int adj_0 = {};",  # 1
            f"{Marks.BEFORE}4",
            tagged("replayed();", 4),  # 2
            tagged("after_an_inner_loop();", 6),  # 3: another line's, with no marker of its own
            f"{Marks.BEFORE}5",
            tagged("replayed();", 5),  # 4
            tagged("adj_replayed();", 5),  # 5
            f"{Marks.AFTER}5",
            "start_for_0:;",  # 6: Warp says nothing of a loop's head
            tagged("condition();", 5),  # 7
            "adj_1 = {};",  # 8
            f"{Marks.BEFORE}6",
            tagged("body();", 6),  # 9
            tagged("adj_body();", 6),  # 10
            f"{Marks.AFTER}6",
            "goto start_for_0;",  # 11
            tagged("adj_after_an_inner_loop();", 6),  # 12
            tagged("adj_range();", 4),  # 13
            f"{Marks.AFTER}4",
            "return;",  # 14
            Marks.END,
        )
    )
    assert result.line_map == (
        LineSpan(4, 2, 2, "adjoint"),
        LineSpan(5, 4, 5, "adjoint"),
        LineSpan(6, 9, 10, "adjoint"),
        LineSpan(4, 13, 13, "adjoint"),
    )


def test_slashes_inside_code_stay():
    code = 'const char* s = "// not a comment";\nx = a /* b */ / c;  // said by the author\n'
    assert canonicalise(code).code == code


def test_comment_lines_marker_lookalikes_and_warps_own_trailing_comment_go():
    text = unit("//---------", "  // primal vars", "//>5", "//[forward", "x;", "} // extern C")
    result = canonicalise(text)
    assert result.code == "x;\n}\n"
    assert result.line_map == ()


def test_tabs_that_indent_become_spaces_and_others_stay():
    assert canonicalise('\t  \tx = "a\tb";\t\n').code == '          x = "a\tb";\n'


def test_rename_numbers_names_alike_in_all_units():
    units = {"cpu": "P_0123abcd p; adj_P_0123abcd();", "cuda": "Q_89abcdef q; P_0123abcd p;"}
    renamed = rename(units, {"P_0123abcd": "P_s", "Q_89abcdef": "P_s"})
    assert renamed == {"cpu": "P_s0 p; adj_P_s0();", "cuda": "P_s1 q; P_s0 p;"}


def test_rename_avoids_names_that_are_taken_in_any_unit():
    units = {"cpu": "P_0123abcd p;", "cuda": "P_0123abcd p; int P_s0;"}
    assert rename(units, {"P_0123abcd": "P_s"})["cpu"] == "P_s1 p;"


def test_a_unit_with_another_prelude_is_an_error():
    assert split_unit("#define A\nPRELUDE\nint x;\n", "PRELUDE\n") == "int x;\n"
    with pytest.raises(ValueError, match="prelude"):
        split_unit("int x;\n", "PRELUDE\n")

"""A slice of an LLVM module is valid, minimal, and the same whatever else the module holds."""

import pytest

from generator.lowering.llvm import Module, verify_llvm

TARGET = """\
; ModuleID = '/somewhere/unit.cpp'
source_filename = "/somewhere/unit.cpp"
target datalayout = "e-m:e-i64:64-n32:64-S128"
target triple = "x86_64-unknown-linux-gnu"
"""
ALONE = f"""{TARGET}
%"struct.wp::array_t" = type {{ ptr, i64 }}

$shared = comdat any

@.str = private constant [3 x i8] c"a;\\00", align 1
@table = internal constant [2 x i32] [i32 1, i32 2]

; Function Attrs: nounwind
define void @p000000_scale_cpu_forward(ptr %x) #0 {{
entry:
  %p = getelementptr %"struct.wp::array_t", ptr %x, i64 0, i32 1
  %v = load i64, ptr %p, align 8, !tbaa !0
  br label %next

next:                                             ; preds = %entry
  call void @shared(ptr @.str)
  call void @_ZL15p000000_helper_v()
  ret void
}}

define internal void @_ZL15p000000_helper_v() {{
  call void @shared(ptr @table)
  ret void
}}

define linkonce_odr void @shared(ptr %x) comdat {{
  call void @llvm.assume(i1 true)
  ret void
}}

declare void @llvm.assume(i1) #1

attributes #0 = {{ nounwind }}
attributes #1 = {{ willreturn }}

!0 = !{{!1, !1, i64 0}}
!1 = !{{!"long", !2, i64 0}}
!2 = !{{!"Simple C++ TBAA"}}
"""
# The same program as the second of a unit: every number that counts through the unit differs.
BESIDE = f"""{TARGET}
%"struct.wp::array_t" = type {{ i8 }}
%"struct.wp::array_t.7" = type {{ ptr, i64 }}

$shared = comdat any

@.str = private constant [3 x i8] c"b;\\00", align 1
@.str.4 = private constant [3 x i8] c"a;\\00", align 1
@table = internal constant [2 x i32] [i32 1, i32 2]
@other = global %"struct.wp::array_t" zeroinitializer

define void @p000000_other_cpu_forward() #1 {{
  call void @llvm.trap()
  call void @shared(ptr @.str)
  ret void
}}

declare void @llvm.trap() #0

declare void @llvm.assume(i1) #2

define linkonce_odr void @shared(ptr %x) comdat {{
  call void @llvm.assume(i1 true)
  ret void
}}

define internal void @_ZL15p000001_helper_v() {{
  call void @shared(ptr @table)
  ret void
}}

define void @p000001_scale_cpu_forward(ptr %x) #3 {{
entry:
  %p = getelementptr %"struct.wp::array_t.7", ptr %x, i64 0, i32 1
  %v = load i64, ptr %p, align 8, !tbaa !4
  br label %next

next:                                             ; preds = %entry
  call void @shared(ptr @.str.4)
  call void @_ZL15p000001_helper_v()
  ret void
}}

attributes #0 = {{ cold }}
attributes #1 = {{ noinline }}
attributes #2 = {{ willreturn }}
attributes #3 = {{ nounwind }}

!4 = !{{!5, !5, i64 0}}
!5 = !{{!"long", !6, i64 0}}
!6 = !{{!"Simple C++ TBAA"}}
"""


def test_a_slice_does_not_depend_on_what_else_the_unit_holds() -> None:
    alone = Module(ALONE).slice(["p000000_scale_cpu_forward"])
    assert Module(BESIDE).slice(["p000001_scale_cpu_forward"]) == alone


def test_a_slice_holds_what_the_entry_reaches_and_nothing_else() -> None:
    text = Module(BESIDE).slice(["p000001_scale_cpu_forward"])
    verify_llvm(text)
    for reached in ("@scale_cpu_forward(", "@_ZL7helper_v(", "@shared(", '!"long"', "@table ="):
        assert reached in text
    for absent in ("other", "trap", "p000", "source_filename", "somewhere", "; preds", "noinline"):
        assert absent not in text


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ret void", "ret i32 0"),  # another type
        ("%v = load i64", "%v = load i64,"),  # not the language
        ("define internal void @_ZL7helper_v", "define internal void @_ZL7helped_v"),
        ("!tbaa !0", "!tbaa !99"),
    ],
)
def test_a_damaged_module_is_noticed(old: str, new: str) -> None:
    text = Module(ALONE).slice(["p000000_scale_cpu_forward"])
    assert old in text
    with pytest.raises(ValueError, match="not a valid LLVM module") as caught:
        verify_llvm(text.replace(old, new, 1))
    assert "\n" not in str(caught.value)


def test_a_truncated_module_is_noticed() -> None:
    text = Module(ALONE).slice(["p000000_scale_cpu_forward"])
    with pytest.raises(ValueError, match="not a valid LLVM module"):
        verify_llvm(text[: text.index("ret void")])

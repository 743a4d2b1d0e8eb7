savedcmd_badblocks/badblocks.o := OBJTREE=/k/O RUST_MODFILE=./badblocks rustc --edition=2021 -Zbinary_dep_depinfo=y -Astable_features -Aunused_features -Dnon_ascii_idents -Dunsafe_op_in_unsafe_fn -Wmissing_docs -Wrust_2018_idioms -Wunreachable_pub -Wclippy::all -Wclippy::as_ptr_cast_mut -Wclippy::as_underscore -Wclippy::cast_lossless -Aclippy::collapsible_if -Aclippy::collapsible_match -Wclippy::ignored_unit_patterns -Aclippy::incompatible_msrv -Wclippy::mut_mut -Wclippy::needless_bitwise_bool -Aclippy::needless_lifetimes -Wclippy::no_mangle_with_rust_abi -Wclippy::ptr_as_ptr -Wclippy::ptr_cast_constness -Wclippy::ref_as_ptr -Wclippy::undocumented_unsafe_blocks -Aclippy::uninlined_format_args -Wclippy::unnecessary_safety_comment -Wclippy::unnecessary_safety_doc -Aclippy::unwrap_or_default -Wrustdoc::missing_crate_level_docs -Wrustdoc::unescaped_backticks -Cpanic=abort -Cembed-bitcode=n -Clto=n -Cforce-unwind-tables=n -Ccodegen-units=1 -Csymbol-mangling-version=v0 -Crelocation-model=static -Zfunction-sections=n -Wclippy::float_arithmetic -Aclippy::precedence --target=/k/O/scripts/target.json -Ctarget-feature=-sse,-sse2,-sse3,-ssse3,-sse4.1,-sse4.2,-avx,-avx2 -Zcf-protection=branch -Zno-jump-tables -Ctarget-cpu=x86-64 -Ztune-cpu=generic -Cno-redzone=y -Ccode-model=kernel -Zfunction-return=thunk-extern -Zpatchable-function-entry=16,16 -Copt-level=2 -Cdebug-assertions=n -Coverflow-checks=y -Cdebuginfo=2 --crate-name badblocks --emit=metadata=./rust/metadata/libbadblocks.rmeta -L ./rust/metadata -Aunused_attributes  --cfg MODULE  @/k/O/include/generated/rustc_cfg -Zallow-features=arbitrary_self_types,asm_goto,generic_arg_infer,used_with_arg -Zcrate-attr=no_std -Zcrate-attr='feature(arbitrary_self_types,asm_goto,generic_arg_infer,used_with_arg)' -Zunstable-options --extern pin_init --extern kernel --extern zerocopy --extern zerocopy_derive --crate-type rlib -L /k/O/rust/ --sysroot=/dev/null --out-dir badblocks/ --emit=dep-info=badblocks/.badblocks.o.d --emit=obj=badblocks/badblocks.o badblocks/src/lib.rs  

source_badblocks/badblocks.o := badblocks/src/lib.rs

deps_badblocks/badblocks.o := \
  badblocks/src/cursors.rs \
  badblocks/src/edit.rs \
  badblocks/src/error.rs \
  badblocks/src/extent.rs \
  badblocks/src/fenwick.rs \
  badblocks/src/index.rs \
  badblocks/src/layout.rs \
  badblocks/src/line.rs \
  badblocks/src/map.rs \
  badblocks/src/parse.rs \
  badblocks/src/search.rs \
  badblocks/src/sync.rs \
  badblocks/src/text.rs \
  /k/O/rust/libcore.rmeta \
  /k/O/rust/libcompiler_builtins.rmeta \

badblocks/badblocks.o: $(deps_badblocks/badblocks.o)

$(deps_badblocks/badblocks.o):

savedcmd_drivers/rpmem/regions/rpmem_regions.o := OBJTREE=/k/O RUST_MODFILE=./rpmem_regions rustc --edition=2021 -Zbinary_dep_depinfo=y -Astable_features -Aunused_features -Dnon_ascii_idents -Dunsafe_op_in_unsafe_fn -Wmissing_docs -Wrust_2018_idioms -Wunreachable_pub -Wclippy::all -Wclippy::as_ptr_cast_mut -Wclippy::as_underscore -Wclippy::cast_lossless -Aclippy::collapsible_if -Aclippy::collapsible_match -Wclippy::ignored_unit_patterns -Aclippy::incompatible_msrv -Wclippy::mut_mut -Wclippy::needless_bitwise_bool -Aclippy::needless_lifetimes -Wclippy::no_mangle_with_rust_abi -Wclippy::ptr_as_ptr -Wclippy::ptr_cast_constness -Wclippy::ref_as_ptr -Wclippy::undocumented_unsafe_blocks -Aclippy::uninlined_format_args -Wclippy::unnecessary_safety_comment -Wclippy::unnecessary_safety_doc -Aclippy::unwrap_or_default -Wrustdoc::missing_crate_level_docs -Wrustdoc::unescaped_backticks -Cpanic=abort -Cembed-bitcode=n -Clto=n -Cforce-unwind-tables=n -Ccodegen-units=1 -Csymbol-mangling-version=v0 -Crelocation-model=static -Zfunction-sections=n -Wclippy::float_arithmetic -Aclippy::precedence --target=/k/O/scripts/target.json -Ctarget-feature=-sse,-sse2,-sse3,-ssse3,-sse4.1,-sse4.2,-avx,-avx2 -Zcf-protection=branch -Zno-jump-tables -Ctarget-cpu=x86-64 -Ztune-cpu=generic -Cno-redzone=y -Ccode-model=kernel -Zfunction-return=thunk-extern -Zpatchable-function-entry=16,16 -Copt-level=2 -Cdebug-assertions=n -Coverflow-checks=y -Cdebuginfo=2 --crate-name rpmem_regions --emit=metadata=./rust/metadata/librpmem_regions.rmeta -L ./rust/metadata -Aunused_attributes  --cfg MODULE  @/k/O/include/generated/rustc_cfg -Zallow-features=arbitrary_self_types,asm_goto,generic_arg_infer,used_with_arg -Zcrate-attr=no_std -Zcrate-attr='feature(arbitrary_self_types,asm_goto,generic_arg_infer,used_with_arg)' -Zunstable-options --extern pin_init --extern kernel --extern zerocopy --extern zerocopy_derive --crate-type rlib -L /k/O/rust/ --sysroot=/dev/null --out-dir drivers/rpmem/regions/ --emit=dep-info=drivers/rpmem/regions/.rpmem_regions.o.d --emit=obj=drivers/rpmem/regions/rpmem_regions.o drivers/rpmem/regions/src/lib.rs  

source_drivers/rpmem/regions/rpmem_regions.o := drivers/rpmem/regions/src/lib.rs

deps_drivers/rpmem/regions/rpmem_regions.o := \
  drivers/rpmem/regions/src/align.rs \
  drivers/rpmem/regions/src/error.rs \
  drivers/rpmem/regions/src/infoblock.rs \
  drivers/rpmem/regions/src/list.rs \
  drivers/rpmem/regions/src/number.rs \
  drivers/rpmem/regions/src/region.rs \
  drivers/rpmem/regions/src/span.rs \
  /k/O/rust/libcore.rmeta \
  /k/O/rust/libcompiler_builtins.rmeta \

drivers/rpmem/regions/rpmem_regions.o: $(deps_drivers/rpmem/regions/rpmem_regions.o)

$(deps_drivers/rpmem/regions/rpmem_regions.o):

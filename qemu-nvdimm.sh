#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs commands in QEMU guests that have persistent memory, with the stock kernel and the project's
# modules.  This script checks what it is asked and makes what is missing; scripts/vm runs the guest.
set -euo pipefail
HERE=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=scripts/lib.sh
. "$HERE/scripts/lib.sh"

DEFAULT_MEM=2G DEFAULT_PMEM=1G DEFAULT_TIMEOUT=600 DEFAULT_SMP=2

help() {
	cat <<EOF
usage: ./qemu-nvdimm.sh [OPTION]…
       ./qemu-nvdimm.sh run [OPTION]… [--] CMD [ARG]…
       ./qemu-nvdimm.sh shell [OPTION]…

Boots Debian's stock kernel ($KERNEL_RELEASE) in QEMU with regions of persistent memory and runs a
command in it.  Build root, kernel and guest image are made first where they are missing (see
scripts/provision --help) and the modules are built (make -s modules), so that "modprobe rpmem" works.

  (no command)  the demonstration, tests/demo.sh
  run           CMD as root in the guest.  Its standard output and error come out as they are, apart,
                and its exit status is this one's.  Background children die with it, and the guest is
                then switched off like a machine that loses power (after a sync).
  shell         a console with job control.  "exit" switches the guest off; so does Ctrl-A X.

What the guest sees: the project's folder and every --share, writable, at the same paths; all other
files are its own and are forgotten.  CMD starts in the current folder when that is in a share, else in
the project.  CMD has /proc, /sys, debugfs, configfs, /tmp, the stock kernel's modules, e2fsprogs,
xfsprogs, util-linux, ndctl, daxctl, cxl, mdadm, dmsetup, fio, strace, python3, bash, and in PATH the project's
programs (rpmemctl, mkfs.rdaxfs …) if make tools has built them.  The project's
drivers/*/modprobe.d/*.conf are in /etc/modprobe.d, {drivers,fs}/*/udev/*.rules in /etc/udev/rules.d.  Without
--udev there is no udev, and device mapper makes its nodes itself (DM_DISABLE_UDEV).  Files of a share cannot be mapped shared and
writable (9p without a cache).

options:
  --arch ARCH        amd64 (the default), arm64, or arm64-16k, whose kernel has pages of 16 KiB. arm64 is emulated; its
                     cross compiler, kernel and guest image are made the first time (scripts/provision-arm64)
  --region KIND      what the persistent memory is (default memmap):
                       memmap    ranges that memmap=SIZE!ADDR makes persistent (legacy type 12)
                       reserved  ranges that memmap=SIZE\$ADDR reserves: nothing drives them
                       nvdimm    QEMU NVDIMMs with labels, in the ACPI NFIT; "modprobe -a nfit
                                 nd_rpmem" gives them disks
                       virtio-pmem
                                 QEMU's virtio-pmem, flushed by the host; "modprobe -a
                                 virtio_pmem nd_rpmem" gives them disks
                       ramdax    as memmap, for the kernel's ramdax, which makes NVDIMMs with labels
                                 of the ranges
                       cxl       QEMU's CXL memory devices, persistent, with labels; "modprobe -a cxl_acpi
                                 cxl_pci cxl_mem cxl_pmem nd_rpmem", "cxl create-region -t pmem …" and
                                 ndctl give them disks.  Slow: QEMU emulates each access
                       none      no region
                     On arm64 there is no memmap=. The kinds are
                       mem       memory behind what mem= leaves the kernel, which knows nothing of it: "modprobe
                                 rpmem force=1 regions=…" (the default)
                       pmem-region
                                 the same, with a node of that kind in the device tree; "modprobe -a of_pmem
                                 nd_rpmem" gives them disks
                       nvdimm    as above, with UEFI firmware
                       none
                     KIND,KIND,… is one kind for each --pmem size, such as nvdimm,virtio-pmem,memmap. memmap and
                     ramdax do not go together (the kernel has one driver for all such ranges), on arm64 no two kinds
  --pmem SIZE,…      one region for each size (default $DEFAULT_PMEM); a multiple of 2M, for nvdimm of 16M
                     (what ndctl asks for), for cxl of 256M; may be repeated.  The sizes are what the guest can use
  --pmem-file FILE   this file is behind the first region (the next for the second …) and outlives the run; made
                     when it does not exist.  An NVDIMM's is 2M larger than the region, and beside CXL's is
                     FILE.labels.  For nvdimm, virtio-pmem and cxl;
                     for memmap when there is one region, of at most 3G of --mem
  --unarmed N        the NVDIMM number N, from 0 on, says that it would lose what is written: it is read-only; may be
                     repeated
  --numa             two NUMA nodes with half of the memory each, and NVDIMMs on the one and the other in turn
  --trace FILE       writes down what the processors do to the first region: crashcheck/README.md.  Emulated, and
                     one processor runs at a time
  --mem SIZE         what the guest keeps as normal memory (default $DEFAULT_MEM, at least 256M)
  --smp N            processors (default $DEFAULT_SMP)
  --cpu MODEL        QEMU's processor model (default: host under KVM, max when emulated)
  --accel WHICH      auto, kvm or tcg (default auto: KVM when a probe shows that it works)
  --icount           one processor whose clock counts instructions: timings that do not depend on the
                     machine (one nanosecond for each instruction; with --network it waits in real time)
  --append ARGS      more kernel arguments; may be repeated
  --udev             udevd runs, with the rules of the image's packages and the project's
  --packages NAME,…  these packages of Debian $SUITE are in the guest too, with what they depend on; their
                     installation scripts do not run.  Fetched once and kept in the cache
  --root DIR         what is below DIR is below / in the guest too, over what is there: DIR/usr/bin/x is
                     /usr/bin/x.  Folders of the guest that are mounted later hide theirs (/tmp, /run, /dev)
  --network DIR,N    a network with one other guest, of which DIR, a folder, has the socket; this one is number N, 1
                     or 2, with the address 192.0.2.N. Nothing else is in it
  --share DIR        DIR is at the same path in the guest; may be repeated
  --env NAME[=VALUE] NAME is in CMD's environment, with this process's value by default; may be repeated
  --console FILE     keeps the guest's console there (default: in the cache, kept when the run fails)
  --no-build         does not build the modules, takes them as they are
  --no-modules       a guest without the project's modules
  --kexec            the guest may start the stock kernel in its own place, with the files \$RPMEM_KEXEC/kernel
                     and \$RPMEM_KEXEC/initrd: then CMD is run again
  --kernel DIR       another kernel and guest image, a folder as scripts/make-guest fills it
  --help             this text

options of run only:
  --timeout SECONDS  switches the guest off after that (default $DEFAULT_TIMEOUT; 0: never)
  --stdin            CMD reads this process's standard input (default: it reads /dev/null)
  --strict           fails when the guest's kernel has printed a BUG, WARNING or Oops, whatever CMD says

environment:
  RPMEM_CACHE, RPMEM_MIRROR   see scripts/provision --help
In the guest:
  RPMEM_REGION_KIND           the KIND
  RPMEM_REGIONS               "SIZE@ADDRESS …", such as "1G@0x100000000"

exit status: CMD's (128+N when signal N ended it, 126 or 127 when it could not be run), or
  2    wrong usage
  120  the guest's kernel panicked
  121  the guest ended without reporting (CMD rebooted it, or a triple fault)
  122  --strict: the kernel complained, while CMD's status was 0
  124  the time was up
  125  the guest or CMD's surroundings could not be started; provisioning or building failed
  128+N  this process got signal N (130 for Ctrl-C)
All but the last, unlike CMD's own, come with a message on stderr.

examples:
  ./qemu-nvdimm.sh run -- uname -a
  ./qemu-nvdimm.sh run --pmem 1G,512M -- sh -c 'modprobe rpmem && lsblk'
  ./qemu-nvdimm.sh run --region nvdimm --share /tmp/results -- sh -c 'modprobe nfit; ndctl list >/tmp/results/list'
  ./qemu-nvdimm.sh run --icount --timeout 1200 -- fio job.fio
  tar c data | ./qemu-nvdimm.sh run --stdin -- tar tv
EOF
}

# bytes OPTION TEXT : the size in bytes.
bytes() {
	[[ $2 =~ ^([1-9][0-9]{0,9})([KMGT]?)$ ]] ||
		usage_error "$1 '$2': a size is a whole number, with K, M, G or T after it, such as 512M"
	local -A shift=([K]=10 [M]=20 [G]=30 [T]=40)
	local number=${BASH_REMATCH[1]} unit=${BASH_REMATCH[2]}
	echo $((number << ${shift[${unit:-none}]:-0}))
}
# whole OPTION TEXT LEAST MOST : the number.
whole() {
	if ! [[ $2 =~ ^[0-9]{1,6}$ ]] || ((10#$2 < $3 || 10#$2 > $4)); then
		usage_error "$1 '$2': it must be a whole number from $3 to $4"
	fi
	echo $((10#$2))
}

# check_kernel DIR : that it has all that scripts/make-guest puts there; says what is missing.
check_kernel() {
	local file release
	[[ -d $1 ]] || usage_error "--kernel '$1': it must be a folder that exists (scripts/make-guest makes one)"
	for file in vmlinux root.erofs initrd.cpio; do
		[[ -s $1/$file ]] || usage_error "--kernel '$1': it has no $file, or an empty one (scripts/make-guest makes one)"
	done
	release=$(cat -- "$1/$STAMP" 2>/dev/null) || true
	[[ $release =~ ^[A-Za-z0-9][A-Za-z0-9._+~-]*$ ]] ||
		usage_error "--kernel '$1': its file $STAMP must have the kernel's release (uname -r), and has '$release'; scripts/make-guest writes it last, when all is there"
	for file in kernel modules.dep modules.builtin modules.order; do
		[[ -e $1/modules/usr/lib/modules/$release/$file ]] ||
			usage_error "--kernel '$1': it has no modules/usr/lib/modules/$release/$file, without which modprobe in the guest finds nothing (scripts/make-guest copies the kernel's modules there)"
	done
}

mode=demo
case ${1:-} in
run | shell) mode=$1; shift ;;
--help | -h | help) help; exit 0 ;;
'' | --*) ;;
*) usage_error "unknown command '$1': it is run or shell, or none for the demonstration" ;;
esac

arch=amd64 accel=auto region='' pmem=() pmem_files=() mem=$DEFAULT_MEM smp=$DEFAULT_SMP timeout=$DEFAULT_TIMEOUT
shares=("$PROJECT") unarmed=() numa=no trace='' packages=() programs_root='' network='' console='' build=yes modules=yes tools=no kernel='' kexec=no pass=()
while (($#)); do
	option=$1
	# --option=VALUE is the same as --option VALUE.
	if [[ $option == --*=* ]]; then
		set -- "${option%%=*}" "${option#*=}" "${@:2}"
		option=$1
	fi
	case $option in
	--arch | --region | --pmem | --pmem-file | --unarmed | --trace | --mem | --smp | --cpu | --accel | --append | --packages | --root | --network | --share | --env | --console | --kernel | --timeout)
		(($# > 1)) || usage_error "$option: a value must follow"
		value=$2
		shift 2
		;;
	*) shift ;;
	esac
	case $option in
	--arch)
		[[ $value == amd64 || " ${ARM64_FLAVOURS[*]} " == *" $value "* ]] ||
			usage_error "--arch '$value': it must be amd64 or one of ${ARM64_FLAVOURS[*]}"
		arch=$value ;;
	--region) region=$value ;;
	--pmem)
		IFS=, read -r -a sizes <<<"$value"
		((${#sizes[@]})) || usage_error "--pmem '$value': at least one size must be given"
		pmem+=("${sizes[@]}") ;;
	--pmem-file) pmem_files+=("$(realpath -m -- "$value")") ;;
	--unarmed)
		whole --unarmed "$value" 0 15 >/dev/null
		unarmed+=("$((10#$value))") ;;
	--numa) numa=yes ;;
	--trace)
		trace=$(realpath -m -- "$value")
		[[ -d $(dirname -- "$trace") && ! -d $trace && $trace != *,* ]] ||
			usage_error "--trace '$value': it must be a file in a folder that exists, without a comma in its name" ;;
	--mem) mem=$value ;;
	--smp) smp=$value ;;
	--timeout) timeout=$value ;;
	--cpu)
		[[ $value =~ ^[A-Za-z0-9] ]] ||
			usage_error "--cpu '$value': it must be one of QEMU's models (scripts/in-root qemu-system-x86_64 -cpu help)"
		pass+=(--cpu "$value") ;;
	--accel)
		[[ $value =~ ^(auto|kvm|tcg)$ ]] || usage_error "--accel '$value': it must be auto, kvm or tcg"
		accel=$value
		pass+=(--accel "$value") ;;
	--append)
		[[ $value != *$'\n'* ]] || usage_error "--append: kernel arguments are one line"
		pass+=("--append=$value") ;;
	--packages)
		IFS=, read -r -a names <<<"$value"
		((${#names[@]})) || usage_error "--packages '$value': at least one package must be named"
		for name in "${names[@]}"; do
			[[ $name =~ ^[a-z0-9][a-z0-9+.-]+$ ]] ||
				usage_error "--packages '$value': '$name' is not a package's name, such as quota; a comma stands between two"
		done
		packages+=("${names[@]}") ;;
	--root)
		[[ -d $value ]] || usage_error "--root '$value': it must be a folder that exists"
		programs_root=$(realpath -e -- "$value")
		[[ $programs_root != / ]] || usage_error "--root '$value': it must be a folder of its own, not this machine's root" ;;
	--network)
		[[ $value =~ ^(.+),([12])$ && -d ${BASH_REMATCH[1]} ]] ||
			usage_error "--network '$value': it must be a folder that exists, a comma, and 1 or 2"
		network=$(realpath -e -- "${BASH_REMATCH[1]}") number=${BASH_REMATCH[2]}
		# What the kernel takes for a socket's name, less ours.
		((${#network} < 100)) || usage_error "--network '$value': the folder's path has ${#network} characters, 99 at most make a socket's name"
		pass+=(--network "$network,$number") ;;
	--share)
		[[ -d $value ]] || usage_error "--share '$value': it must be a folder that exists"
		shares+=("$(realpath -e -- "$value")") ;;
	--env)
		[[ $value =~ ^[A-Za-z_][A-Za-z0-9_]*(=|$) ]] || usage_error "--env '$value': it must be NAME or NAME=VALUE"
		if [[ $value != *=* ]]; then
			[[ -v $value ]] || usage_error "--env '$value': there is no such variable here; give NAME=VALUE"
			value=$value=${!value}
		fi
		pass+=("--env=$value") ;;
	--console)
		console=$(realpath -m -- "$value")
		[[ -d $(dirname -- "$console") && ! -d $console ]] ||
			usage_error "--console '$value': it must be a file in a folder that exists" ;;
	--kernel)
		check_kernel "$value"
		kernel=$(realpath -e -- "$value") ;;
	--icount | --strict | --udev) pass+=("$option") ;;
	--stdin)
		[[ $mode == run ]] || usage_error "--stdin is for run; a shell has the terminal"
		pass+=(--stdin) ;;
	--no-build) build=no ;;
	--no-modules) modules=no ;;
	--kexec) kexec=yes ;;
	--help) help; exit 0 ;;
	--) break ;;
	-*) usage_error "unknown option '$option'" ;;
	*) set -- "$option" "$@"; break ;;
	esac
done

if [[ $arch == amd64 ]]; then kinds=(memmap reserved nvdimm virtio-pmem ramdax cxl none); else kinds=(mem pmem-region nvdimm none); fi
region=${region:-${kinds[0]}}
IFS=, read -r -a regions <<<"$region"
for kind in "${regions[@]}"; do
	[[ " ${kinds[*]} " == *" $kind "* ]] ||
		usage_error "--region '$kind': with --arch $arch it must be one of ${kinds[*]}"
done
has_kind() { [[ ",$region," == *",$1,"* ]]; }
if ((${#regions[@]} > 1)); then
	[[ $arch == amd64 ]] || usage_error "--region '$region': with --arch $arch all regions are of one kind"
	! has_kind none || usage_error "--region '$region': none is no region, and goes with no other kind"
	! has_kind memmap || ! has_kind ramdax ||
		usage_error "--region '$region': memmap and ramdax exclude each other, for the kernel has one driver for all such ranges"
	((${#pmem[@]} == ${#regions[@]})) ||
		usage_error "--region '$region': there are ${#regions[@]} kinds and ${#pmem[@]} regions; give a --pmem size for each kind"
fi
# kind_of N : the kind of the region number N, from 0 on.
kind_of() { echo "${regions[${#regions[@]} > 1 ? $1 : 0]}"; }
case $mode in
run) (($#)) || usage_error "run: a command must be given, such as: $ME run -- uname -a" ;;
shell)
	(($# == 0)) || usage_error "shell takes no command, but got '$1'; use run"
	[[ -t 0 && -t 1 ]] || usage_error "shell needs a terminal for its input and output; use run"
	set -- /bin/bash --login
	timeout=0 ;;
demo)
	(($# == 0)) || usage_error "the demonstration takes no command, but got '$1'; use run"
	demo=$PROJECT/tests/demo.sh
	[[ -f $demo ]] || die "the demonstration '$demo' is missing: is this a whole clone? (./$ME run -- CMD runs other commands)"
	mode=run tools=yes
	cd -- "$PROJECT"
	set -- /bin/bash "$demo" ;;
esac

[[ $arch == amd64 ]] || ((!${#packages[@]})) || usage_error "--packages are amd64's: they do not go with --arch $arch"
[[ $arch == amd64 || $accel != kvm ]] || usage_error "--accel kvm: this machine's KVM does not run $arch; leave it out"
[[ $arch == amd64 || $kexec$kernel == no ]] || usage_error "--kexec and --kernel do not go with --arch $arch"
[[ $kexec == no || -z $kernel ]] || usage_error "--kexec starts the stock kernel again; it does not go with --kernel"
mem_bytes=$(bytes --mem "$mem")
((mem_bytes >= 256 << 20 && mem_bytes % (2 << 20) == 0)) ||
	usage_error "--mem '$mem': it must be a multiple of 2M and at least 256M"
smp=$(whole --smp "$smp" 1 255)
timeout=$(whole --timeout "$timeout" 0 999999)
if [[ $region == none ]]; then
	((${#pmem[@]} == 0)) || usage_error "--pmem with --region none: there is no region to give a size to; leave one out"
else
	((${#pmem[@]})) || pmem=("$DEFAULT_PMEM")
	((${#pmem[@]} <= 16)) || usage_error "--pmem: ${#pmem[@]} regions are more than 16"
	((mem_bytes - ${#pmem[@]} * (128 << 20) >= 128 << 20)) ||
		usage_error "--mem '$mem' is too little for ${#pmem[@]} regions: 128M of it lie between each two, and 256M must be left"
	number=0
	for size in "${pmem[@]}"; do
		size_bytes=$(bytes --pmem "$size")
		kind=$(kind_of $number)
		case $kind in
		nvdimm | virtio-pmem | ramdax) rule=16M ;;
		cxl) rule=256M ;;
		*) rule=2M ;;
		esac
		((size_bytes % $(bytes --pmem $rule) == 0 && size_bytes <= 1 << 38)) ||
			usage_error "--pmem '$size': with --region $kind a size must be a multiple of $rule, and at most 256G"
		pass+=(--region "$kind" --pmem "$size_bytes")
		number=$((number + 1))
	done
fi
if ((${#pmem_files[@]})); then
	if [[ $region == memmap ]]; then
		((${#pmem[@]} == 1 && mem_bytes <= 3 << 30)) ||
			usage_error "--pmem-file with --region memmap: there must be one region and --mem at most 3G, for the file is all memory above 4 GiB"
	fi
	((${#pmem_files[@]} <= ${#pmem[@]})) ||
		usage_error "--pmem-file: ${#pmem_files[@]} files for ${#pmem[@]} regions; give a --pmem size for each"
	for ((number = 0; number < ${#pmem_files[@]}; number++)); do
		kind=$(kind_of $number)
		[[ $region == memmap || $kind =~ ^(nvdimm|virtio-pmem|cxl)$ ]] ||
			usage_error "--pmem-file is for --region nvdimm, virtio-pmem and cxl, and memmap alone, but region $number is $kind"
	done
	for file in "${pmem_files[@]}"; do
		[[ -d $(dirname -- "$file") && ! -d $file ]] ||
			usage_error "--pmem-file '$file': it must be a file in a folder that exists"
		pass+=(--pmem-file "$file")
	done
fi

for number in "${unarmed[@]}"; do
	has_kind nvdimm || usage_error "--unarmed is for --region nvdimm, not $region"
	((number < ${#pmem[@]})) || usage_error "--unarmed '$number': there are ${#pmem[@]} regions, counted from 0 on"
	[[ $(kind_of "$number") == nvdimm ]] || usage_error "--unarmed '$number': that region is $(kind_of "$number"), not nvdimm"
	pass+=(--unarmed "$number")
done
if [[ $numa == yes ]]; then
	[[ $region == nvdimm && $arch == amd64 ]] || usage_error "--numa is for --region nvdimm on amd64"
	pass+=(--numa)
fi

if [[ -n $trace ]]; then
	[[ $arch == amd64 ]] || usage_error "--trace is amd64's: the plugin knows no other processor's instructions"
	[[ $region != none ]] || usage_error "--trace with --region none: there is no region to trace"
	plugin=$PROJECT/build/crashcheck/libcrashcheck_plugin.so
	[[ -f $plugin ]] || usage_error "--trace: '$plugin' is not built; run scripts/crashcheck-programs"
	pass+=(--trace "$trace" --plugin "$plugin")
fi

# A failure before the guest has its own status, so that it cannot be mistaken for the command's.
cannot() { say "$*"; exit 125; }
find_entries
if ! { complete "$ROOT" && complete "$KERNEL" && complete "$STOCK_KDIR" && complete "$GUEST"; }; then
	"$SCRIPTS/provision" || cannot "provisioning failed (see above)"
	find_entries
fi
layer=()
if [[ $arch != amd64 ]]; then
	"$SCRIPTS/provision-arm64" --flavour "$arch" || cannot "provisioning for $arch failed (see above)"
	find_arm64_entries "$arch"
	# The modules and the programs are those for this kernel.
	export KDIR=$ARM64_KDIR
	kernel=$ARM64_GUEST
	layer=(--layer "$ARM64_TOOLS")
fi
# A make that has called this script has flags and jobs of its own; they are not for this one.
project_make() { env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -C "$PROJECT" --no-print-directory -s "$@"; }
if [[ $modules == yes ]]; then
	if [[ $build == yes ]]; then
		# What it has to say while it works is not the command's: our streams are that one's alone.
		if ! words=$(project_make modules 2>&1 </dev/null); then
			printf '%s\n' "$words" >&2
			cannot "the modules do not build (see above); --no-modules does without"
		fi
	fi
	list=$(project_make modules-list) || cannot "'make -s modules-list' failed (see above)"
	while IFS= read -r path; do
		[[ -n $path ]] || continue
		[[ -f $path ]] || cannot "module '$path' is not built; run make modules, or leave --no-build out"
		pass+=(--module "$path")
	done <<<"$list"
	shopt -s nullglob
	for path in "$PROJECT"/drivers/*/modprobe.d/*.conf; do
		pass+=(--modprobe-conf "$path")
	done
	for path in "$PROJECT"/{drivers,fs}/*/udev/*.rules; do
		pass+=(--udev-rules "$path")
	done
fi

if [[ $tools == yes ]]; then
	# The demonstration makes a volume of rdaxfs. The first time takes minutes, which the program says.
	project_make tools "ARCH=${arch%-*}" >&2 </dev/null || cannot "the programs do not build (see above)"
fi

# More programs: an image for each choice, the last few of which are kept.
KEPT_PROGRAMS=4
if ((${#packages[@]})) || [[ -n $programs_root ]]; then
	identity=
	[[ -z $programs_root ]] || identity=$(cd -- "$programs_root" && find . -printf '%P %s %T@ %m %l\n' | sort)
	programs=$CACHE/programs-$(hash_of "$(<"$ROOT/$STAMP")" "${packages[*]}" "$programs_root" "$identity" "$(recipe make-programs)").erofs
	if [[ -e $programs ]]; then
		touch -- "$programs"
	else
		mkdir -p -- "$CACHE/runs"
		if ! words=$("$SCRIPTS/make-programs" "$programs" "${programs_root:--}" "${packages[@]}" 2>&1 </dev/null); then
			printf '%s\n' "$words" >&2
			cannot "the programs for the guest cannot be put together (see above); --packages takes those of Debian $SUITE"
		fi
		# shellcheck disable=SC2012  # names that this script has made
		ls -t -- "$CACHE"/programs-*.erofs | tail -n +$((KEPT_PROGRAMS + 1)) | while IFS= read -r old; do rm -f -- "$old"; done
	fi
	pass+=(--programs "$programs")
fi

# The command starts where we are, if the guest can see that.
cwd=$(pwd -P) inside=no enter=()
for share in "${shares[@]}"; do
	[[ $cwd/ != "${share%/}"/* ]] || inside=yes
	enter+=(--bind "$share")
	pass+=(--share "$share")
done
[[ $inside == yes ]] || cwd=$PROJECT
cd -- "$cwd"
for file in "${pmem_files[@]}" ${console:+"$console"} ${trace:+"$trace"}; do
	enter+=(--bind "$(dirname -- "$file")")
done
[[ -z $network ]] || enter+=(--bind "$network")
[[ -z $kernel ]] || enter+=(--bind "$kernel")
[[ -z $console ]] || pass+=(--console "$console")
[[ $kexec == no ]] || pass+=(--kexec "$KERNEL/vmlinuz")

exec "$SCRIPTS/in-root" "${layer[@]}" "${enter[@]}" -- python3 -B "$SCRIPTS/vm" --mode "$mode" --arch "${arch%-*}" --cache "$CACHE" \
	--guest "${kernel:-$GUEST}" --release "$(<"${kernel:-$GUEST}/$STAMP")" \
	--mem "$mem_bytes" --smp "$smp" --timeout "$timeout" "${pass[@]}" -- "$@"

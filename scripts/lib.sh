# SPDX-License-Identifier: GPL-2.0
#
# What the scripts share: messages, where the cache is, and how its entries are named.
# shellcheck shell=bash disable=SC2034  # read by whoever sources this file

SCRIPTS=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
PROJECT=$(dirname -- "$SCRIPTS")
ME=${0##*/}

# shellcheck source=scripts/versions
. "$SCRIPTS/versions"

say() { printf '%s: %s\n' "$ME" "$*" >&2; }
die() { say "$*"; exit 1; }
# Wrong usage is told from failure by its status.
usage_error() { say "$*"; say "'$ME --help' lists what it takes"; exit 2; }

# The cache is outside the clone: it outlives a fresh clone, and removing it costs time only.
if [[ -n ${RPMEM_CACHE:-} ]]; then
	CACHE=$RPMEM_CACHE
elif [[ -n ${XDG_CACHE_HOME:-} ]]; then
	CACHE=$XDG_CACHE_HOME/rpmem
else
	[[ -n ${HOME:-} ]] ||
		die "HOME is not set, so there is no place for the cache; set HOME or RPMEM_CACHE=DIR"
	CACHE=$HOME/.cache/rpmem
fi
[[ $CACHE == /* ]] ||
	usage_error "cache folder '$CACHE': it must be an absolute path, as it is seen from inside the build root too; set RPMEM_CACHE=/…"
# make and Kbuild split paths at blanks and take ':' and '#' apart; everything built lives below this.
[[ $CACHE != *[[:space:]:\#\$%\\\'\"]* ]] ||
	usage_error "cache folder '$CACHE': make cannot handle blanks, quotes or any of : # \$ % \\ in a path; set RPMEM_CACHE to another folder"

# An entry is complete when its stamp exists.  Entries are built under a temporary name and renamed,
# so that one which exists without it can only be a mount point or the work of an older version.
STAMP=.rpmem-complete

# hash_of WORD… : a short name for everything given.
hash_of() { printf '%s\0' "$@" | sha256sum | cut -c1-12; }

# recipe SCRIPT : what the script does; another comment is no other result.
recipe() { sed '/^[[:space:]]*#/d' "$SCRIPTS/$1"; }

# Paths of the cache's entries.  Each name covers what goes into the entry: the pins, the script that
# builds it, and the entry that it is built from.
find_entries() {
	local owner=user
	((EUID)) || owner=root # ownership inside differs, see in-root
	local root_key kernel_key
	root_key=$(hash_of "$owner" "$SUITE" "${BUILD_PACKAGES[*]}" "${HOST_PACKAGES[*]}" \
		"${GUEST_PACKAGES[*]}" "$(recipe make-root)")
	ROOT=$CACHE/root-$root_key
	kernel_key=$(hash_of "$KERNEL_SUITE" "$KERNEL_RELEASE" "$KERNEL_VERSION" "$KERNEL_SERIES" \
		"$(recipe make-kernel)")
	KERNEL=$CACHE/kernel-$kernel_key
	# The rest follows from the exact versions in the two, which only they know.
	STOCK_KDIR='' GUEST='' KUNIT=''
	if [[ -e $ROOT/$STAMP && -e $KERNEL/$STAMP ]]; then
		local made_of
		made_of="$KERNEL $(<"$KERNEL/$STAMP") $(<"$ROOT/$STAMP")"
		STOCK_KDIR=$CACHE/kdir-$(hash_of "$ROOT" "$made_of" "$KERNEL_CC" "$(recipe make-kdir)")
		GUEST=$CACHE/guest-$(hash_of "$ROOT" "$made_of" "$(recipe make-guest)" \
			"$(recipe guest/init)")
		KUNIT=$CACHE/kunit-$(hash_of "$ROOT" "$made_of" "$KERNEL_CC" \
			"$(<"$PROJECT/kunit/.kunitconfig")")
	fi
}

# Where the tests say how their kernel is configured; comments of it are no part of an entry's name.
DEBUG_CONFIG=$PROJECT/tests/debug/config
debug_settings() { grep -E '^(CONFIG_|# CONFIG_[A-Z0-9_]+ is not set$)' "$DEBUG_CONFIG"; }

# find_debug_entries : the kernel that watches and what guests with it boot, after find_entries.  A whole
# kernel takes long to build: its name covers no more than what goes into it, the tools not being all
# packages of the build root.
find_debug_entries() {
	local tools
	tools=$(dpkg-query --admindir="$ROOT/var/lib/dpkg" -W -f '${Package} ${Version}\n' "${BUILD_PACKAGES[@]}")
	DEBUG_KERNEL=$CACHE/debug-kernel-$(hash_of "$KERNEL $(<"$KERNEL/$STAMP")" "$tools" "$KERNEL_LLVM" \
		"$(recipe make-debug-kernel)" "$(debug_settings)")
	DEBUG_GUEST=$CACHE/debug-guest-$(hash_of "$ROOT $(<"$ROOT/$STAMP")" "$DEBUG_KERNEL" \
		"$(recipe make-guest)" "$(recipe guest/init)")
}

# find_arm64_entries FLAVOUR : what runs and builds for arm64, after find_entries.
find_arm64_entries() {
	local flavour=$1 made_of
	made_of="$KERNEL $(<"$KERNEL/$STAMP") $ROOT $(<"$ROOT/$STAMP")"
	ARM64_TOOLS=$CACHE/arm64-tools-$(hash_of "$made_of" "${ARM64_PACKAGES[*]}" "$(recipe make-arm64-tools)")
	ARM64_ROOT=$CACHE/arm64-root-$(hash_of "$SUITE" "${GUEST_PACKAGES[*]}" "$(recipe make-root-arm64)")
	ARM64_KERNEL=$CACHE/arm64-kernel-$flavour-$(hash_of "$made_of" "$(recipe make-kernel-arm64)")
	ARM64_KDIR=$CACHE/arm64-kdir-$flavour-$(hash_of "$made_of" "$ARM64_TOOLS" "$ARM64_KERNEL" "$ARM64_CC" \
		"$(recipe make-kdir-arm64)")
	ARM64_GUEST=$CACHE/arm64-guest-$flavour-$(hash_of "$ARM64_ROOT" "$ARM64_KERNEL" "$made_of" \
		"$(recipe make-guest-arm64)" "$(recipe guest/init)")
}

# find_packages_entry : the build root for Debian packages.
find_packages_entry() {
	PACKAGES_ROOT=$CACHE/packages-root-$(hash_of "$EUID" "$SUITE" "$KERNEL_SUITE" "${PACKAGE_PACKAGES[*]}" \
		"$(recipe make-package-root)")
}

# In a build tree of the cache: the variables that its make was called with.
MAKE_VARIABLES=.rpmem-make-variables
# And the layer over the build root that it needs, where it needs one.
TREE_LAYER=.rpmem-layer

complete() { [[ -n $1 && -e $1/$STAMP ]]; }

# as_owner CMD… : runs it as the one who owns everything in the cache.  An ordinary user's build root
# holds files of the user's subordinate ids, which only a user namespace may touch.
as_owner() {
	if ((EUID)); then
		unshare --user --map-root-user --map-auto -- "$@"
	else
		"$@"
	fi
}

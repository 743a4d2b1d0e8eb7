#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The demonstration that ./qemu-nvdimm.sh runs in a guest: each command as one would type it, its
# output, and in the end what all of it has shown.  It makes file systems on /dev/rpmem0: for guests.
set -uo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." || exit

# How the memory is taken, by where it is from; the same memory with the kernel's driver.
KIND=${RPMEM_REGION_KIND:-memmap}
read -r REGION _ <<<"${RPMEM_REGIONS:-}"
DRIVER=rpmem DISK=rpmem0 OTHER_DISK=pmem0
case $KIND in
memmap) LOAD='modprobe rpmem' OTHER_LOAD='modprobe nd_pmem; modprobe nd_e820' ;;
# Memory that the kernel knows nothing of: neither does its own driver.
mem) LOAD="modprobe rpmem regions=$REGION force=1" OTHER_LOAD='' ;;
nvdimm) LOAD="modprobe nfit; modprobe rpmem regions=$REGION" OTHER_LOAD='' ;;
pmem-region)
	DRIVER=nd_rpmem DISK=rpmem0.0
	LOAD='modprobe -a of_pmem nd_rpmem' OTHER_LOAD='modprobe nd_pmem' ;;
*) echo "demo: no demonstration for a region of kind '$KIND'" >&2; exit 2 ;;
esac
DIR=/mnt
BADBLOCKS=/sys/block/$DISK/badblocks
PAGE=4096
# What is stored and looked for: in this page of a file, as this text.
FILE_PAGE=2
TEXT='stored through a mapping'

if [[ -t 1 ]]; then bold=$'\e[1m' plain=$'\e[m'; else bold='' plain=''; fi
claims=() failed=0 output='' status=0

title() { printf '\n%s== %s ==%s\n' "$bold" "$1" "$plain"; }
note() { printf '\n%s\n' "$1"; }

# run COMMAND: shows it, runs it, shows its output; that is in $output, its status in $status.
run() {
	printf '%s# %s%s\n' "$bold" "$1" "$plain"
	# "exit" keeps this shell from becoming the command, so that it can say which signal ended it.
	output=$(bash -c "$1"$'\nexit' demo 2>&1)
	status=$?
	[[ -z $output ]] || printf '%s\n' "$output"
}

# claim TEXT TEST…: what the last commands have shown, if TEST holds.
claim() {
	local text=$1
	shift
	if "$@"; then
		claims+=("ok      $text")
	else
		claims+=("FAILED  $text")
		failed=$((failed + 1))
		printf '%sFAILED: %s (status %d)%s\n' "$bold" "$text" "$status" "$plain"
	fi
}

succeeded() { ((status == 0)); }
fails_with() { ((status != 0)) && [[ $output == *"$1"* ]]; }
killed_by() { ((status == 128 + $(kill -l "$1"))); }
prints() { succeeded && [[ $output == "$1" ]]; }
shows() { succeeded && [[ $output == *"$1"* ]]; }
loaded() { [[ -d /sys/module/$DRIVER ]]; }
unloaded() { succeeded && ! loaded && [[ ! -e /dev/$DISK && ! -e /sys/block/$DISK ]]; }

# The block of the device that holds page $FILE_PAGE of a file, from what filefrag says.
device_block() {
	awk -v page="$FILE_PAGE" '
		$1 ~ /^[0-9]+:$/ {
			gsub(/[.:]/, " ")
			if ($2 <= page && page <= $3) print $4 + page - $2
		}' <<<"$1"
}

# on_nd_pmem: the volume that rpmem leaves, on the kernel's own driver.
on_nd_pmem() {
	local file=$DIR/file

	title "rdaxfs on the kernel's own driver, nd_pmem"
	run "$OTHER_LOAD"
	# It comes a moment later.
	timeout 30 sh -c "until [ -b /dev/$OTHER_DISK ]; do sleep 0.1; done"
	run "mount -t rdaxfs -o dax /dev/$OTHER_DISK $DIR"
	run "findmnt -n -o SOURCE,FSTYPE,OPTIONS $DIR"
	claim 'nd_pmem: the same volume mounts with -o dax' shows dax=always
	run "head -n 1 $file"
	claim 'nd_pmem: with the file that is on it' prints 'some text'
	run "tests/mapped store $file 0 '$TEXT'"
	run "head -c ${#TEXT} $file"
	claim 'nd_pmem: a program maps the file (MAP_SYNC) and stores to it' prints "$TEXT"
	run "umount $DIR"
}

# on FS MKFS: the same steps on each file system.
on() {
	local fs=$1 mkfs=$2 file=$DIR/file block sector
	local at=$((FILE_PAGE * PAGE)) length=${#TEXT}

	title "$fs: programs reach the medium itself"
	run "$mkfs /dev/$DISK"
	run "mount -t $fs -o dax /dev/$DISK $DIR"
	run "findmnt -n -o SOURCE,FSTYPE,OPTIONS $DIR"
	claim "$fs mounts with -o dax" shows dax=always
	run "yes 'some text' | head -c 1M > $file"
	run "tests/mapped store $file $at '$TEXT'"
	claim "$fs: a program maps a file (MAP_SYNC) and stores to it" succeeded
	run "dd if=$file bs=1 skip=$at count=$length status=none"
	claim "$fs: read(2) returns what was stored" prints "$TEXT"
	run "filefrag -v $file"
	block=$(device_block "$output")
	note "Page $FILE_PAGE of the file is block ${block:-unknown} of the device:"
	run "dd if=/dev/$DISK iflag=direct bs=$PAGE skip=$block count=1 status=none | head -c $length"
	claim "$fs: the raw device has it, in that block" prints "$TEXT"

	title "$fs: a bad block, repaired by overwriting"
	sector=$((block * PAGE / 512))
	run "echo '$sector 1' > $BADBLOCKS"
	run "cat $BADBLOCKS"
	claim "$fs: a bad sector can be injected" prints "$sector 1"
	run "cat $file > /dev/null"
	claim "$fs: read(2) of it fails with EIO" fails_with 'Input/output error'
	run "tests/mapped load $file $at $length"
	claim "$fs: a load from its mapping raises SIGBUS" killed_by BUS
	run "yes 'new text' | head -c $PAGE | dd of=$file bs=$PAGE seek=$FILE_PAGE conv=notrunc iflag=fullblock status=none"
	run "cat $BADBLOCKS"
	claim "$fs: overwriting the page clears the error" prints ''
	run "tests/mapped load $file $at 8"
	claim "$fs: and the new data is there" prints 'new text'

	title "$fs: a bad block, repaired by punching a hole"
	run "echo '$sector 1' > $BADBLOCKS"
	run "fallocate --punch-hole --offset $at --length $PAGE $file"
	run "sync"
	run "cat $file > /dev/null"
	claim "$fs: without that block, the file reads again" succeeded
	run "cat $BADBLOCKS"
	claim "$fs: punching frees the block, and does not clear it" prints "$sector 1"
	if [[ $fs == rdaxfs ]]; then
		note 'The block is free now, and still bad: it is not used again while the volume is mounted.'
	else
		note 'The block is free now, and still bad: it is zeroed before it is used again.'
	fi
	run "dd if=/dev/zero of=$file bs=$PAGE seek=$FILE_PAGE count=1 conv=notrunc status=none"
	run "filefrag -v $file"
	if [[ $fs == rdaxfs ]]; then
		claim "$fs: a new write gets another block" test "$(device_block "$output")" != "$block"
	else
		claim "$fs: a new write gets the same block" test "$(device_block "$output")" = "$block"
		run "cat $BADBLOCKS"
		claim "$fs: which clears the error" prints ''
	fi
	run "cat $file > /dev/null"
	claim "$fs: and the file reads" succeeded
	run "umount $DIR"
	claim "$fs unmounts" succeeded
}

title 'The driver'
run 'uname -r'
[[ $KIND == @(mem|nvdimm) ]] || run "grep 'Persistent Memory' /proc/iomem"
run "$LOAD"
claim 'the driver loads into the stock kernel' succeeded
# A namespace's comes a moment later.
timeout 30 sh -c "until [ -b /dev/$DISK ]; do sleep 0.1; done"
run "lsblk -o NAME,SIZE,LOG-SEC,PHY-SEC,DAX /dev/$DISK"
claim "/dev/$DISK is there, a disk with DAX" test "$(cat /sys/block/$DISK/queue/dax 2>/dev/null)" = 1

if [[ -b /dev/$DISK ]]; then
	on ext4 'mkfs.ext4 -q'
	# Older kernels refuse DAX on an xfs with reflink; this one takes it, as mkfs.xfs makes it.
	on xfs 'mkfs.xfs -q -f'
	run 'modprobe rdaxfs'
	claim 'rdaxfs loads into the stock kernel' succeeded
	on rdaxfs 'mkfs.rdaxfs -q -f'
fi

title 'The end'
run "modprobe -r $DRIVER"
claim "the driver unloads, and /dev/$DISK is gone" unloaded
! loaded && [[ -n $OTHER_LOAD ]] && on_nd_pmem

title 'What was shown'
printf '%s\n' "${claims[@]}"
if ((failed)); then
	printf '\n%d of %d FAILED; the end of the kernel log:\n' "$failed" "${#claims[@]}"
	dmesg | tail -n 30
	exit 1
fi
printf '\nall %d ok\n' "${#claims[@]}"

# SPDX-License-Identifier: GPL-2.0
#
# Prints how many bytes of files huge pages map in a process: the ioctl PAGEMAP_SCAN of include/uapi/linux/fs.h. smaps
# counts pages of DAX nowhere.

use strict;
use warnings;

my $pid = shift;
my ($file, $present, $huge) = (1 << 2, 1 << 3, 1 << 6);
my $regions = 4096;
my $wanted = $file | $present | $huge;
# _IOWR('f', 16, struct pm_scan_arg), which is 12 words of 8 bytes.
my $pagemap_scan = 3 << 30 | 96 << 16 | ord('f') << 8 | 16;

open my $pagemap, '<', "/proc/$pid/pagemap" or die "pagemap: $!\n";
my $found = "\0" x (24 * $regions);
my $address = unpack 'Q', pack 'P', $found;
my ($start, $end, $bytes) = (0, (1 << 47) - 4096, 0);
while ($start < $end) {
    my $scan = pack 'Q12', 96, 0, $start, $end, 0, $address, $regions, 0, 0, $wanted, 0, $wanted;
    my $count = ioctl($pagemap, $pagemap_scan, $scan) // die "PAGEMAP_SCAN: $!\n";
    for my $number (0 .. $count - 1) {
        my ($from, $to) = unpack "x@{[24 * $number]} Q2", $found;
        $bytes += $to - $from;
    }
    $start = (unpack 'Q12', $scan)[4];
    last if $count < $regions;
}
print "$bytes\n";

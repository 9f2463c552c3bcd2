"""Philox4x32-10 written from Salmon et al. (SC 2011) in whole numbers; prints the values of tests/core/rng_test.cpp.

In:  nothing. Out: the words of one row of core/rng.h's counter, on stdout.
"""

MASK = 0xFFFFFFFF


def philox(counter, key):
    c, k = list(counter), list(key)
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k[0], p1 & MASK, (p0 >> 32) ^ c[3] ^ k[1], p0 & MASK]
        k = [(k[0] + 0x9E3779B9) & MASK, (k[1] + 0xBB67AE85) & MASK]
    return c


# Random123's known answers.
assert philox([0] * 4, [0] * 2) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
assert philox([MASK] * 4, [MASK] * 2) == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]
assert philox([0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344], [0xA4093822, 0x299F31D0]) == [
    0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]

seed, stream, epoch, sample = 0x123456789ABCDEF0, 15, 9, 0x0000000500000007
key = [(seed & MASK) ^ (stream * 0x9E3779B9 & MASK), (seed >> 32) ^ stream]
for word in range(2):
    print([hex(x) for x in philox([word, epoch, sample & MASK, sample >> 32], key)])

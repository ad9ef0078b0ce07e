/*
 * bcryptprimitives.dll with the one function that Wine 8 lacks and pydantic_core's random seeds
 * need: ProcessPrng, random bytes that never run out. SystemFunction036 is the name under which
 * advapi32 has RtlGenRandom, which does the same.
 */
#include <windows.h>

#define LARGEST_PIECE 0x10000000UL

BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG length);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length)
{
    while (length > 0) {
        ULONG piece = length > LARGEST_PIECE ? LARGEST_PIECE : (ULONG)length;

        if (!SystemFunction036(data, piece))
            return FALSE;
        data += piece;
        length -= piece;
    }
    return TRUE;
}

cimport cython
from cpython cimport array
from libc cimport math
from libc.stdint cimport int64_t, uint64_t
from ewad.kernels cimport memory
from ewad.kernels.memory cimport octet

cdef int64_t UNKNOWN, UNWANTED, ALIAS, HASH, MIX
cdef uint64_t ALL_BITS, TOP_BIT, MOST_ALIAS
cdef double WHOLE_FLOATS, NO_TIME
cdef int MOST_PLACES, LAST, LIFE, NO_VALUE, WHOLE, NUMBER, TEXT, MOST_SIGNED, DATA_SET, TEMPLATE

@cython.locals(unit=cython.double, near=cython.double)
cpdef double decimal(double value) noexcept nogil

@cython.final
cdef class SparkplugRows:
    cdef array.array rows, values, times
    cdef double low, high
    cdef Py_ssize_t most_bytes, most, n, probes
    cdef int skips_texts
    cdef uint64_t whole, found
    cdef int64_t key, length, kind
    cdef Py_ssize_t name
    cdef int null, form
    cdef double number, time
    cdef int64_t mask, life
    cdef int64_t* node
    cdef int64_t* slots
    cdef int64_t* keys
    cdef int64_t* lengths
    cdef int64_t* starts
    cdef int64_t* kinds
    cdef int64_t* row_of
    cdef octet* names
    cdef int64_t* out_rows
    cdef double* out_values
    cdef double* out_times
    cdef octet* data
    @cython.locals(end=Py_ssize_t, n=Py_ssize_t)
    cpdef Py_ssize_t take(self, bytes data, double arrival, double latest) except? -1
    @cython.locals(
        sequence=int64_t, last=int64_t, time=cython.double, at=Py_ssize_t, stop=Py_ssize_t, tag=cython.int,
        counts=cython.int, k=Py_ssize_t,
    )
    cdef Py_ssize_t read(self, Py_ssize_t end, double arrival, double latest) noexcept nogil
    @cython.locals(whole=uint64_t, byte=uint64_t, shift=cython.int)
    cdef Py_ssize_t varint(self, Py_ssize_t at, Py_ssize_t end) noexcept nogil
    @cython.locals(tag=cython.int)
    cdef int metric(self, Py_ssize_t at, Py_ssize_t stop) noexcept nogil
    @cython.locals(size=cython.int)
    cdef Py_ssize_t real(self, int tag, Py_ssize_t at, Py_ssize_t stop) noexcept nogil
    @cython.locals(whole=uint64_t)
    cdef Py_ssize_t part(self, int tag, Py_ssize_t at, Py_ssize_t stop) noexcept nogil
    @cython.locals(size=Py_ssize_t)
    cdef Py_ssize_t text(self, int tag, Py_ssize_t at, Py_ssize_t stop) noexcept nogil
    @cython.locals(entry=int64_t, row=int64_t, kind=int64_t, k=Py_ssize_t)
    cdef int add(self) noexcept nogil
    @cython.locals(half=uint64_t, below=uint64_t)
    cdef double signed(self, uint64_t found, int64_t kind) noexcept nogil
    @cython.locals(hashed=int64_t, i=Py_ssize_t)
    cdef int64_t hash(self, Py_ssize_t at, Py_ssize_t size) noexcept nogil
    @cython.locals(place=int64_t, probe=Py_ssize_t, entry=int64_t, alike=cython.int)
    cdef int64_t find(self, int64_t key, int64_t length, Py_ssize_t at) noexcept nogil
    @cython.locals(i=Py_ssize_t)
    cdef int same(self, Py_ssize_t name, Py_ssize_t at, Py_ssize_t size) noexcept nogil

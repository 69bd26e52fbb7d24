cimport cython
from cpython cimport array
from libc.stdint cimport int64_t
from ewad.kernels cimport memory
from ewad.kernels.memory cimport octet

cdef int64_t UNKNOWN, HASH, MIX, EXACT
cdef double RELATIVE, EARLIEST, LARGEST
cdef int QUOTE, BACKSLASH, COMMA, COLON, OPEN, CLOSE, OPEN_LIST, CLOSE_LIST
cdef int LOWER_B, LOWER_N, LOWER_T, LOWER_U, LOWER_V, DELETE

@cython.final
cdef class PackRows:
    cdef array.array rows, values, times
    cdef double* powers
    cdef double low, high
    cdef Py_ssize_t most_places, most_bytes, most, n, probes
    cdef Py_ssize_t base, base_size, name, name_size, places
    cdef int has_value, exact
    cdef int64_t base_hash, whole, mask
    cdef double base_time, time, value, found
    cdef int64_t* slots
    cdef int64_t* hashes
    cdef int64_t* lengths
    cdef int64_t* starts
    cdef int64_t* row_of
    cdef octet* names
    cdef int64_t* out_rows
    cdef double* out_values
    cdef double* out_times
    cdef octet* data
    @cython.locals(end=Py_ssize_t, n=Py_ssize_t)
    cpdef Py_ssize_t take(self, bytes data, double arrival, double latest) except? -1
    @cython.locals(at=Py_ssize_t, after=Py_ssize_t)
    cdef Py_ssize_t read(self, Py_ssize_t end, double arrival, double latest) except? -1
    cdef Py_ssize_t skip(self, Py_ssize_t at, Py_ssize_t end) noexcept nogil
    cdef Py_ssize_t behind(self, int byte, Py_ssize_t at, Py_ssize_t end) noexcept nogil
    @cython.locals(after=Py_ssize_t)
    cdef Py_ssize_t record(self, Py_ssize_t at, Py_ssize_t end) except? -1
    @cython.locals(is_base=cython.int, key=cython.int)
    cdef Py_ssize_t member(self, Py_ssize_t at, Py_ssize_t end) except? -1
    @cython.locals(start=Py_ssize_t, byte=cython.int)
    cdef Py_ssize_t text(self, Py_ssize_t at, Py_ssize_t end, int is_name, int is_base) noexcept nogil
    cdef int64_t hash(self, int64_t hashed, Py_ssize_t at, Py_ssize_t end) noexcept nogil
    @cython.locals(time=cython.double, entry=int64_t, row=int64_t, k=Py_ssize_t)
    cdef int add(self, double arrival, double latest) noexcept nogil
    @cython.locals(size=Py_ssize_t, place=int64_t, probe=Py_ssize_t, entry=int64_t, start=Py_ssize_t, alike=cython.int)
    cdef int64_t find(self, int64_t hashed) noexcept nogil
    @cython.locals(i=Py_ssize_t)
    cdef int same(self, Py_ssize_t name, Py_ssize_t at, Py_ssize_t size) noexcept nogil
    @cython.locals(start=Py_ssize_t, negative=cython.int, first=Py_ssize_t)
    cdef Py_ssize_t number(self, Py_ssize_t at, Py_ssize_t end) except? -1
    cdef Py_ssize_t digits(self, Py_ssize_t at, Py_ssize_t end, int places) noexcept nogil
    @cython.locals(start=Py_ssize_t)
    cdef Py_ssize_t exponent(self, Py_ssize_t at, Py_ssize_t end) noexcept nogil

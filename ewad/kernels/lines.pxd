cimport cython
from libc.stdint cimport int64_t, uint64_t
from ewad.kernels cimport memory
from ewad.kernels.memory cimport octet

cdef int NUMBER, BOOLEAN, TEXT, WORD, BACKSLASH, COMMA, EQUALS, QUOTE, NEW_LINE, SPACE, MARK
cdef int64_t UNKNOWN, HEAD, NOTHING, EXACT, HASH, MIX
cdef Py_ssize_t SPANS
cdef double LAST_SECONDS, FIRST_FINE

@cython.final
cdef class LinesKernel:
    cdef double* powers
    cdef Py_ssize_t most_places, probes, most, room
    cdef int64_t generation
    cdef octet* words
    cdef readonly Py_ssize_t fault
    cdef readonly int doubled
    cdef int64_t line, last, hash, mask
    cdef Py_ssize_t n
    cdef int64_t kind
    cdef double value
    cdef int64_t* slots
    cdef int64_t* hashes
    cdef int64_t* parents
    cdef int64_t* starts
    cdef int64_t* lengths
    cdef int64_t* follows
    cdef int64_t* seen
    cdef octet* names
    cdef int64_t* heads
    cdef int64_t* entries
    cdef int64_t* kinds
    cdef double* values
    cdef double* times
    cdef int64_t* spans
    cdef int64_t* rows
    cdef octet* data
    cpdef Py_ssize_t take(self, bytes data, double otherwise) except? -1
    cdef int is_odd(self, bytes data) except -1
    @cython.locals(at=Py_ssize_t, after=Py_ssize_t)
    cdef Py_ssize_t take_all(self, Py_ssize_t end, double otherwise) except? -1
    @cython.locals(byte=cython.int)
    cdef Py_ssize_t begin(self, Py_ssize_t at, Py_ssize_t end) noexcept nogil
    cdef int is_white(self, int byte) noexcept nogil
    cdef Py_ssize_t no_line(self, Py_ssize_t at) noexcept nogil
    @cython.locals(
        start=Py_ssize_t, head=int64_t, behind=Py_ssize_t, first=Py_ssize_t, time=cython.double,
        after=Py_ssize_t, k=Py_ssize_t,
    )
    cdef Py_ssize_t read_line(self, Py_ssize_t at, Py_ssize_t end, double otherwise) except? -1
    @cython.locals(start=Py_ssize_t, entry=int64_t, k=Py_ssize_t)
    cdef Py_ssize_t read_fields(self, Py_ssize_t at, Py_ssize_t end, int64_t head) except? -1
    cdef void follow(self, int64_t entry) noexcept nogil
    @cython.locals(length=Py_ssize_t)
    cdef int stands(self, int64_t entry, Py_ssize_t at, Py_ssize_t end, int behind) noexcept nogil
    @cython.locals(i=Py_ssize_t)
    cdef int same(self, Py_ssize_t name, Py_ssize_t at, Py_ssize_t size) noexcept nogil
    @cython.locals(start=Py_ssize_t, byte=cython.int)
    cdef Py_ssize_t name_end(self, Py_ssize_t at, Py_ssize_t end, int stop, int never) noexcept nogil
    @cython.locals(place=int64_t, probe=Py_ssize_t, entry=int64_t, alike=cython.int)
    cdef int64_t find(self, int64_t parent, Py_ssize_t at, Py_ssize_t size) noexcept nogil
    @cython.locals(after=Py_ssize_t)
    cdef Py_ssize_t read_value(self, Py_ssize_t at, Py_ssize_t end, Py_ssize_t span) except? -1
    cdef int ends(self, Py_ssize_t at, Py_ssize_t end) noexcept nogil
    @cython.locals(
        start=Py_ssize_t, negative=cython.int, whole=int64_t, places=Py_ssize_t, digits=cython.int,
        point=cython.int, exact=cython.int, byte=cython.int, stop=Py_ssize_t,
    )
    cdef Py_ssize_t number(self, Py_ssize_t at, Py_ssize_t end) except? -1
    @cython.locals(start=Py_ssize_t)
    cdef Py_ssize_t exponent(self, Py_ssize_t at, Py_ssize_t end) noexcept nogil
    @cython.locals(start=Py_ssize_t, size=Py_ssize_t, byte=cython.int, k=Py_ssize_t)
    cdef Py_ssize_t word(self, Py_ssize_t at, Py_ssize_t end) noexcept nogil
    @cython.locals(i=Py_ssize_t)
    cdef int spells(self, Py_ssize_t word, Py_ssize_t at, Py_ssize_t size) noexcept nogil
    @cython.locals(negative=Py_ssize_t, start=Py_ssize_t, whole=uint64_t, size=cython.double, unit=cython.double)
    cdef Py_ssize_t read_time(self, Py_ssize_t at, Py_ssize_t end) noexcept nogil

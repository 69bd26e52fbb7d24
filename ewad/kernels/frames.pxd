cimport cython
from libc.stdint cimport int64_t
from ewad.kernels cimport memory
from ewad.kernels.memory cimport octet

cdef int PUBLISH, DUPLICATE, RETAIN, SUBSCRIPTION_ID
cdef int64_t EXACT, ALL_ONES, WITH_TOPIC

@cython.final
cdef class FramesKernel:
    cdef int64_t* crcs
    cdef double* powers
    cdef Py_ssize_t places, probes
    cdef readonly Py_ssize_t used, answered
    cdef readonly int alike
    cdef readonly double value
    cdef int64_t* slots
    cdef int64_t mask
    cdef int64_t* crc
    cdef int64_t* start
    cdef int64_t* length
    cdef int64_t* group
    cdef int64_t* row
    cdef octet* names
    cdef int64_t* ids
    cdef Py_ssize_t n_ids
    cdef int level
    cdef int64_t* groups
    cdef int64_t* rows
    cdef double* values
    cdef int64_t* tags
    cdef octet* data
    cdef int64_t between
    cpdef Py_ssize_t take(
        self, object data, Py_ssize_t start, Py_ssize_t end, Py_ssize_t most, object ids, int level,
        int64_t between,
    ) except? -1
    cdef Py_ssize_t take_all(self, Py_ssize_t start, Py_ssize_t end, Py_ssize_t most) noexcept nogil
    @cython.locals(
        first=cython.int, level=cython.int, length=Py_ssize_t, size=Py_ssize_t, crc=int64_t, entry=Py_ssize_t,
        packet_id=int64_t,
    )
    cdef Py_ssize_t packet(self, Py_ssize_t at, Py_ssize_t end, Py_ssize_t n) noexcept nogil
    cdef int64_t sum(self, int64_t crc, Py_ssize_t at, Py_ssize_t end) noexcept nogil
    @cython.locals(probe=Py_ssize_t, entry=Py_ssize_t, alike=cython.int)
    cdef Py_ssize_t find(self, int64_t crc, Py_ssize_t at, Py_ssize_t size) noexcept nogil
    @cython.locals(i=Py_ssize_t)
    cdef int same(self, Py_ssize_t name, Py_ssize_t at, Py_ssize_t size) noexcept nogil
    @cython.locals(left=Py_ssize_t, behind=Py_ssize_t, number=int64_t, shift=cython.int, byte=cython.int)
    cdef Py_ssize_t properties(self, Py_ssize_t at, Py_ssize_t end) noexcept nogil
    @cython.locals(low=Py_ssize_t, high=Py_ssize_t, middle=Py_ssize_t)
    cdef int ours(self, int64_t number) noexcept nogil
    @cython.locals(
        negative=cython.int, whole=int64_t, digits=cython.int, places=Py_ssize_t, point=cython.int,
        byte=cython.int,
    )
    cdef int number(self, Py_ssize_t at, Py_ssize_t end) noexcept nogil

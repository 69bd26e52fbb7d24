cimport cython
from libc.stdint cimport int64_t
from ewad.kernels cimport memory

cdef double INFINITY, STEP_MEMORY, GAP, LEAST_RUN, TIMES, KNOWN_SECONDS
cdef Py_ssize_t KNOWN_SAMPLES, RUN, SECONDS, LONGEST_RUN, LONGEST_SECONDS, AGE, LAST, STEP, COLUMNS

@cython.final
cdef class StuckKernel:
    cdef double after
    cdef int64_t* count
    cdef double* rest
    cdef int64_t* stuck
    cpdef void observe(self, Py_ssize_t row, double x, double elapsed) noexcept
    cdef void take(self, Py_ssize_t row, double x, double elapsed) noexcept nogil
    cdef double usual(self, Py_ssize_t row) noexcept nogil
    cdef int rests_anew(self, Py_ssize_t o, Py_ssize_t n) noexcept nogil

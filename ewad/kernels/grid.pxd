cimport cython
from libc cimport math
from libc.stdint cimport int64_t
from ewad.kernels cimport memory

@cython.final
cdef class GridKernel:
    cdef double every, max_gap
    cdef int mean
    cdef double first, value
    cdef int anew
    cdef double* interval
    cdef double* total
    cdef int64_t* samples
    cdef memory.boolean* restart
    cdef Py_ssize_t take(self, Py_ssize_t row, double time, double x) noexcept nogil
    cdef Py_ssize_t open(
        self, Py_ssize_t row, double interval, double x, int gap, Py_ssize_t closed,
    ) noexcept nogil
    cdef double begins(self, Py_ssize_t number) noexcept nogil

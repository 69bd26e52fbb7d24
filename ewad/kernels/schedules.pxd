cimport cython
from libc cimport math
from ewad.kernels cimport memory

cdef double PI
cdef int INVERSE_TIME, EXPONENTIAL, INVERSE_SQRT, STAIRCASE, MANUAL, COSINE, REDUCE_ON_PLATEAU

@cython.final
cdef class ScheduleKernel:
    cdef int kind, by_batch, reduces
    cdef double a, b
    cdef object array
    cdef Py_ssize_t n_table
    cdef double* table
    cdef double rate(self, double initial, Py_ssize_t epoch, Py_ssize_t batch) noexcept nogil
    cdef double written_down(self, double initial, double count) noexcept nogil

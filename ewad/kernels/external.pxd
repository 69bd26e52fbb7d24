cimport cython
from libc.stdint cimport int64_t
from ewad.kernels cimport memory

cdef double NAN

@cython.final
cdef class ExternalKernel:
    cdef readonly Py_ssize_t n
    cdef Py_ssize_t most
    cdef double every, step
    cdef double* points
    cdef int64_t* filled
    cdef void give(self, Py_ssize_t row, Py_ssize_t source, int first, double time, double value) noexcept nogil
    cdef double ahead(self, double made, double horizon) noexcept nogil
    cdef double value(self, Py_ssize_t row, Py_ssize_t source, double time) noexcept nogil

cimport cython
from libc cimport math
from libc.stdint cimport int64_t
from ewad.kernels cimport memory

cdef double DAY

@cython.final
cdef class CalendarKernel:
    cdef Py_ssize_t n_changes, n_days
    cdef Py_ssize_t last
    cdef object arrays
    cdef double* changes
    cdef double* offsets
    cdef double* days
    cdef double local(self, double time) noexcept nogil
    cdef int is_holiday(self, double local) noexcept nogil

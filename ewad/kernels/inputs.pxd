cimport cython
from libc cimport math
from libc.stdint cimport int64_t
from ewad.kernels cimport memory
from ewad.kernels.sample cimport Sample

cdef double NAN, LIMIT, SIZE_BETA, CHANGE_LIMIT
cdef Py_ssize_t LAGS, N_AVERAGES, N_OF_INPUT

@cython.final
cdef class InputsKernel:
    cdef Py_ssize_t n, base, ahead, depth
    cdef object arrays
    cdef double* betas
    cdef double* spreads
    cdef int64_t* links
    cdef double* last
    cdef double* history
    cdef double* sums
    cdef double* weights
    cdef double* square
    cdef double* square_weight
    cdef void note(self, Py_ssize_t row, double x) noexcept nogil
    cdef void take(self, Sample s) noexcept nogil
    cdef void forget(self, Py_ssize_t at) noexcept nogil
    cdef Py_ssize_t place(self, Py_ssize_t at, Py_ssize_t number) noexcept nogil
    cdef void keep(self, Sample s, Py_ssize_t at, double value) noexcept nogil
    cdef void fill(self, double* x, Py_ssize_t first, Py_ssize_t at, Py_ssize_t number, double size) noexcept nogil

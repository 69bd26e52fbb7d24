from ewad.kernels cimport memory
from ewad.kernels.sample cimport Sample

cdef class Expert:
    cdef Expert next
    cdef int more
    cpdef then(self, Expert other)
    cdef void learn(self, Sample s) noexcept nogil
    cdef void forecast(self, Sample s, double* out, Py_ssize_t at) noexcept nogil
